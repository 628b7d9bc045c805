package archive

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// filesOf serves files from memory.
func filesOf(content map[string]string, order ...string) Files {
	src := Files{}
	for _, path := range order {
		src.List = append(src.List, File{Path: path, Exec: strings.HasSuffix(path, ".sh"), Size: int64(len(content[path]))})
	}
	src.Read = func(_ context.Context, list []File, f func(File, io.Reader) error) error {
		for _, file := range list {
			if err := f(file, strings.NewReader(content[file.Path])); err != nil {
				return err
			}
		}
		return nil
	}
	return src
}

func TestCollect(t *testing.T) {
	large := strings.Repeat("x", InMemory)
	for name, content := range map[string]map[string]string{
		"small": {"openpackage.yml": demo, "a/b.sh": "#!", "opkg.lock": "dropped", "packages/x": "dropped", "empty": ""},
		"large": {"openpackage.yml": demo, "a/b.sh": large, "empty": ""},
	} {
		order := []string{"a/b.sh", "openpackage.yml", "empty"}
		if name == "small" {
			order = append(order, "opkg.lock", "packages/x")
		}
		p, err := Collect(t.Context(), "demo", filesOf(content, order...))
		if err != nil {
			t.Fatal(err)
		}
		if string(p.Manifest()) != demo || len(p.Files()) != 3 {
			t.Errorf("%s: %q %v", name, p.Manifest(), p.Files())
		}
		n := 0
		err = p.Each(t.Context(), func(f File, r io.Reader) error {
			n++
			data, err := io.ReadAll(r)
			if string(data) != content[f.Path] || f.Exec != (f.Path == "a/b.sh") {
				t.Errorf("%s: %s", name, f.Path)
			}
			return err
		})
		if err != nil || n != 3 {
			t.Errorf("%s: %d files, %v", name, n, err)
		}
		p.Close()
	}
}

func TestCollectRefuses(t *testing.T) {
	sized := func(src Files, path string, size int64) Files {
		for i := range src.List {
			if src.List[i].Path == path {
				src.List[i].Size = size
			}
		}
		return src
	}
	content := map[string]string{"openpackage.yml": demo, "a": "a", "A": "A", "a/b": "x", "../x": "x", "con": "x"}
	many := filesOf(content, "openpackage.yml")
	for range MaxEntries {
		many.List = append(many.List, File{Path: "a"})
	}
	lost := filesOf(content, "openpackage.yml", "a")
	lost.Read = func(context.Context, []File, func(File, io.Reader) error) error { return nil }
	for name, c := range map[string]struct {
		src    Files
		reason string
	}{
		"no manifest":    {filesOf(content, "a"), "holds no openpackage.yml"},
		"twice":          {filesOf(content, "openpackage.yml", "a", "a"), ""},
		"case":           {filesOf(content, "openpackage.yml", "a", "A"), ""},
		"file and dir":   {filesOf(content, "openpackage.yml", "a", "a/b"), ""},
		"outside":        {filesOf(content, "openpackage.yml", "../x"), ".."},
		"device":         {filesOf(content, "openpackage.yml", "con"), ""},
		"many":           {many, "more than 100000 files"},
		"large":          {sized(filesOf(content, "openpackage.yml", "a"), "a", MaxFile+1), "bytes"},
		"large manifest": {sized(filesOf(content, "openpackage.yml"), "openpackage.yml", MaxManifestBytes+1), "more than"},
		"longer":         {sized(filesOf(map[string]string{"openpackage.yml": demo, "a": "abc"}, "openpackage.yml", "a"), "a", 1), "does not have 1 bytes"},
		"shorter":        {sized(filesOf(content, "openpackage.yml", "a"), "a", 2), "EOF"},
		"lost":           {lost, "did not come"},
	} {
		_, err := Collect(t.Context(), "demo", c.src)
		var unsafe *UnsafeError
		switch {
		case err == nil || !strings.Contains(err.Error(), c.reason):
			t.Errorf("%s: %v", name, err)
		case name != "shorter" && name != "lost" && !errors.As(err, &unsafe):
			t.Errorf("%s: %T %v", name, err, err)
		}
	}
}
