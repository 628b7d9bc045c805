package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The examples of the specification are true.
func TestDocs(t *testing.T) {
	data, err := os.ReadFile("../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(text)
	if _, err := load("", example[1]); err != nil {
		t.Error(err)
	}
	const mine, theirs = "~/.openpackage/config.yml", ".openpackage/config.yml"
	user, err := Parse(mine, []byte("registries:\n  a: https://a.test\n  myorg: https://registry.myorg.com/\n"), User, places)
	if err != nil {
		t.Fatal(err)
	}
	for _, workspace := range []string{
		"registrys: {}\n",
		"registries:\n  internal:\n    url: https://packages.internal.corp/opkg/\n    token-env: HOME\n",
		"registries:\n  myorg: https://evil.example/\n",
	} {
		w, err := Parse(theirs, []byte(workspace), Workspace, places)
		if err == nil {
			_, err = Merge(w, user)
		}
		if err == nil || !strings.Contains(text, err.Error()+"\nhint: "+err.(*Error).Hint()+"\n") {
			t.Errorf("the specification does not have\n%v", err)
		}
	}
}
