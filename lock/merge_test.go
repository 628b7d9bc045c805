package lock

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What a line-wise merge makes of two good locks is a good lock, or an error: never a lock that is silently wrong.
func TestGitMerge(t *testing.T) {
	need(t, "git")
	base := good(t)
	leaf := func(name string) string {
		return "\n[[package]]\nname = \"" + name + "\"\nversion = \"1.0.0\"\nsource = \"https://registry.myorg.com/\"\nartifact = \"packages/" + name +
			"/1.0.0.tgz\"\nsize = 7\nsha256 = \"" + strings.Repeat("cd", 32) + "\"\ntree = \"blake3:" + strings.Repeat("cd", 32) + "\"\n"
	}
	require := func(name string) string { return "\n[[require]]\nname = \"" + name + "\"\nrange = \"^1.0.0\"\n" }
	before := func(text, marker, insert string) string { // insert goes before the table that marker begins
		at := strings.Index(text, marker)
		if at < 0 {
			t.Fatalf("no %q", marker)
		}
		return text[:at] + insert + text[at:]
	}
	const (
		requireTools = "\n[[require]]\nname = \"local-tools\""
		requireMy    = "\n[[require]]\nname = \"my-pkg\""
		packageLint  = "\n[[package]]\nname = \"lint\""
		packagePart  = "\n[[package]]\nname = \"part\""
	)
	addCore := before(before(base, requireTools, require("core")), packageLint, leaf("core"))
	addNet := before(before(base, "\n[[require]]\nname = \"part\"", require("net")), packagePart, leaf("net"))
	addDev := before(before(base, requireTools, require("dev-kit")), packageLint, leaf("dev-kit"))
	upgrade := strings.Replace(strings.Replace(base, `name = "my-pkg"
version = "1.0.0"`, `name = "my-pkg"
version = "2.0.0"`, 1), "name = \"my-pkg\"\nrange = \"1.0.0\"", "name = \"my-pkg\"\nrange = \"2.0.0\"", 1)
	needOld := strings.Replace(base, "  \"base ^2.0.0\",\n", "  \"base ^2.0.0\",\n  \"core ^1.0.0\",\n", 1)
	needOld = before(needOld, packageLint, strings.TrimSuffix(leaf("core"), "\n")+"\ndependencies = [\n  \"my-pkg ^1.0.0\",\n]\n")

	tests := []struct {
		name         string
		ours, theirs string
		parse        string // the error of Parse, "" = none
		closed       string // the error of CheckClosed
	}{
		{"packages apart", addCore, addNet, "", ""},
		{"the same package", addCore, addCore, "", ""},
		{"packages at one place", addCore, addDev, "git left a conflict marker", ""},
		{"an upgrade, and a package that needs the old version", upgrade, needOld, "", "core 1.0.0 needs my-pkg ^1.0.0, but 2.0.0 is locked"},
		{"a package goes, and another begins to need it", strings.Replace(base, cut(base, "lint"), "", 1),
			strings.Replace(base, "  \"my-pkg *\",\n", "  \"lint ^2.0.0-0\",\n  \"my-pkg *\",\n", 1), "", "needs lint"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			merged := gitMerge(t, tt.ours, base, tt.theirs)
			l, err := Parse("opkg.lock", []byte(merged))
			if tt.parse != "" {
				if err == nil || !strings.Contains(err.Error(), tt.parse) {
					t.Fatalf("err = %v", err)
				}
				return
			}
			if err != nil {
				t.Fatalf("%v in\n%s", err, merged)
			}
			if string(l.Format()) != merged {
				t.Error("the merged text is not canonical")
			}
			switch err := l.CheckClosed("opkg.lock"); {
			case tt.closed == "" && err != nil:
				t.Error(err)
			case tt.closed != "" && (err == nil || !strings.Contains(err.Error(), tt.closed)):
				t.Errorf("err = %v", err)
			}
		})
	}
}

func gitMerge(t *testing.T, ours, base, theirs string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"ours": ours, "base": base, "theirs": theirs} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("git", "merge-file", "-p", "ours", "base", "theirs")
	cmd.Dir = dir
	out, _ := cmd.Output() // its status is the number of conflicts
	if len(out) == 0 {
		t.Fatal("git merge-file says nothing")
	}
	return string(out)
}

// need skips the test where a program is not installed.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("OPKG_REQUIRE") != "" {
				t.Fatalf("%s is not installed", p)
			}
			t.Skipf("%s is not installed", p)
		}
	}
}
