package manifest

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
)

// The examples of the specification are true.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/manifest.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(examples) != 4 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, ex := range examples[:3] {
		if m, err := Parse("docs", []byte(ex[1])); err != nil || len(m.Warnings) > 0 {
			t.Errorf("%v %v\n%s", err, m, ex[1])
		}
	}

	m, err := Parse("docs", []byte(examples[1][1]))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Add("docs", []byte("dependencies: []\n"), m.Dependencies...)
	if err != nil || string(got) != examples[1][1] {
		t.Errorf("new entries are written as\n%s%v", got, err)
	}
	if got := string(Init("my-workspace")); got != examples[2][1] {
		t.Errorf("Init writes\n%s", got)
	}
	got, err = UpdateIndex("docs", nil, []IndexEntry{entryOf("base", "1.0.3"), entryOf("@myorg/rules", "1.4.2")})
	if err != nil || string(got) != examples[3][1] {
		t.Errorf("the index is\n%s%v", got, err)
	}

	_, err = Parse("openpackage.yml", []byte("name: w\ndependencies:\n- name: my-pkg\n  version: 1.10\n"))
	if err == nil || !strings.Contains(string(text), err.Error()+"\nhint: "+err.(*Error).Hint()+"\n") {
		t.Errorf("the specification does not have\n%v", err)
	}
	if e := uneditable("openpackage.yml"); !strings.Contains(string(text), e.Error()+"\nhint: "+e.Hint()+"\n") {
		t.Errorf("the specification does not have\n%v", e)
	}
	if _, err := ident.ParseRange("latest"); err != nil {
		t.Error(err)
	}
}
