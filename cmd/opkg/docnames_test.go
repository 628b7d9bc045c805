package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestDocsNameWhatExists holds that each command and flag of opkg that a page names, in a block or between backquotes, is there.
func TestDocsNameWhatExists(t *testing.T) {
	code := regexp.MustCompile("(?s)```.*?```|`opkg [^`\n]+`")
	printed := regexp.MustCompile("(?m)^[^$\n].*\n?") // in a session, what is no command
	call := regexp.MustCompile("(?:^|[\\s(;&|$`\"])opkg ([^;|&<>#`\n]*)")
	named := 0
	for _, page := range append(docsPages(t), "ARCHITECTURE.md") {
		data, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(page)))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range code.FindAllString(string(data), -1) {
			if strings.HasPrefix(text, "```console\n") {
				text = printed.ReplaceAllString(text, "")
			} else if strings.HasPrefix(text, "```\n") || strings.HasPrefix(text, "```text\n") {
				continue
			}
			for _, m := range call.FindAllStringSubmatch(text, -1) {
				named++
				if wrong := unknownIn(strings.Fields(m[1])); wrong != "" {
					t.Errorf("%s: opkg %s: there is no %s", page, strings.TrimSpace(m[1]), wrong)
				}
			}
		}
	}
	if named < 200 {
		t.Errorf("only %d commands were found", named)
	}
	for line, wrong := range map[string]string{"sync --frozen": "", "sink": "sink", "registry rename x": "rename", "-C dir lock --chekc": "--chekc", "add --git=x y": "", "registry index --full --site": ""} {
		if got := unknownIn(strings.Fields(line)); got != wrong {
			t.Errorf("%q: %q, want %q", line, got, wrong)
		}
	}
}

// unknownIn returns the first word behind opkg that must be a command or a flag and is none.
func unknownIn(words []string) string {
	cmd := newRoot(newApp(strings.NewReader(""), &strings.Builder{}, &strings.Builder{}))
	cmd.InitDefaultHelpCmd()
	cmd.InitDefaultVersionFlag()
	word := regexp.MustCompile(`^[a-z]+$`)
	for i := 0; i < len(words); i++ {
		w := strings.Trim(words[i], "[],.:()'\"")
		switch {
		case w == "-C":
			i++
		case strings.HasPrefix(w, "--") && len(w) > 2:
			name, _, _ := strings.Cut(strings.TrimPrefix(w, "--"), "=")
			if name != "help" && cmd.Flag(name) == nil && cmd.InheritedFlags().Lookup(name) == nil {
				return w
			}
		case word.MatchString(w) && cmd.HasSubCommands():
			sub := commandOf(cmd, w)
			if sub == nil {
				return w
			}
			cmd = sub
		}
	}
	return ""
}

func commandOf(cmd *cobra.Command, name string) *cobra.Command {
	for _, sub := range cmd.Commands() {
		if sub.Name() == name || sub.HasAlias(name) {
			return sub
		}
	}
	return nil
}
