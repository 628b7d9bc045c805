package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestJSONIsDocumented holds that docs/json.md names each field that a struct of this package is printed with, and each command that prints JSON.
func TestJSONIsDocumented(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	fields := jsonFields(t)
	if len(fields) < 80 {
		t.Errorf("only %d fields were found", len(fields))
	}
	for field, where := range fields {
		if !regexp.MustCompile("[`\"\\[.]" + regexp.QuoteMeta(field) + "(\\[\\])?[`\".]").MatchString(page) {
			t.Errorf("docs/json.md does not tell of %q, which %s prints", field, where)
		}
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		path := strings.TrimPrefix(c.CommandPath(), "opkg ")
		if !c.Runnable() || c.Hidden || !c.HasParent() || strings.HasPrefix(path, "help") || path == "completion" { // a script
			return
		}
		if !regexp.MustCompile(`(?m)(^## .*\b` + c.Name() + `\b|opkg ` + path + `\b.*--json|` + "`" + path + "`" + `)`).MatchString(page) {
			t.Errorf("docs/json.md does not tell what opkg %s prints", path)
		}
	}
	walk(newRoot(newApp(strings.NewReader(""), &strings.Builder{}, &strings.Builder{})))
}

// jsonFields are the names in the json tags of this package's structs, and the files they stand in.
func jsonFields(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok && field.Tag != nil {
				tag, _ := strconv.Unquote(field.Tag.Value)
				if name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ","); name != "" && name != "-" {
					fields[name] = file
				}
			}
			return true
		})
	}
	return fields
}
