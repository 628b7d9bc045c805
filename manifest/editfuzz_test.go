package manifest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
)

// FuzzEdit holds, for every edit of every manifest: it is made or refused with a reason; the new text asks for what the model
// asks for; all else is untouched; and taking away what was added to a list that had entries gives the bytes back.
func FuzzEdit(f *testing.F) {
	for i, file := range goldenFiles(f) {
		before := readGolden(f, file).before
		text := strings.ReplaceAll(string(before), "\r\n", "\n")
		f.Add(before, []byte{byte(i), byte(i / 8)})
		f.Add([]byte(strings.ReplaceAll(text, "\n", "\r\n")), []byte{byte(i + 3), 1, byte(i), 0, byte(i + 5), 2})
		f.Add([]byte(strings.TrimSuffix(text, "\n")), []byte{byte(i + 1), 0, byte(i + 2), 3})
	}
	f.Fuzz(func(t *testing.T, data, script []byte) {
		if len(data) > 1<<14 {
			return
		}
		for ; len(script) >= 2 && len(script) <= 12; script = script[2:] {
			doc, err := read("m.yml", data, false)
			if err != nil {
				return
			}
			var ok bool
			if data, ok = fuzzStep(t, doc, data, script[0], int(script[1])); !ok {
				return
			}
		}
	})
}

// fuzzStep makes one edit, which op and arg choose, and holds it against the model; ok is false if the edit was refused.
func fuzzStep(t *testing.T, doc *document, data []byte, op byte, arg int) (out []byte, ok bool) {
	at := func(i int) (Dependency, bool) {
		if len(doc.entries) == 0 {
			return Dependency{}, false
		}
		return doc.entries[i%len(doc.entries)].Dependency, true
	}
	caret, _ := ident.ParseRange("^7.8.9")
	wide, _ := ident.ParseRange(">=1.0.0 <3.0.0")
	anew := Dependency{Name: "zz-new", Range: caret, HasRange: true, Dev: arg%2 == 1}
	var deps []Dependency
	var names []ident.Name
	switch op % 10 {
	case 0:
		deps = []Dependency{anew}
	case 1:
		deps = []Dependency{{Name: "@zz/scoped", Range: wide, HasRange: true, Registry: "corp", Dev: arg%2 == 1}}
	case 2:
		deps = []Dependency{{Name: "zz-git", Range: ident.Any(), Git: "https://h.test/zz.git", Ref: "v1", Dev: arg%2 == 1}}
	case 3:
		deps = []Dependency{{Name: "zz-part", Range: caret, HasRange: true, Git: "https://h.test/zz.git", Base: "packages/part"}}
	case 4:
		deps = []Dependency{{Name: "zz-path", Range: ident.Any(), Path: "./tools/zz"}}
	case 5: // several at once, one of them there already
		deps = []Dependency{anew}
		if d, ok := at(arg); ok {
			deps = append(deps, Dependency{Name: d.Name, Range: wide, HasRange: true, Dev: d.Dev})
		}
	case 6: // another range
		d, ok := at(arg)
		if !ok || d.Path != "" || d.Git != "" && d.Ref != "" {
			return data, true
		}
		d.Range, d.HasRange = caret, true
		deps = []Dependency{d}
	case 7: // to the other list
		d, ok := at(arg)
		if !ok {
			return data, true
		}
		d.Dev = !d.Dev
		deps = []Dependency{d}
	case 8:
		if d, ok := at(arg); ok {
			names = []ident.Name{d.Name}
		}
	case 9:
		for i := range 2 {
			if d, ok := at(arg + i); ok && !slices.Contains(names, d.Name) {
				names = append(names, d.Name)
			}
		}
	}
	var err error
	if deps != nil {
		out, err = Add("m.yml", data, deps...)
	} else {
		out, _, err = Remove("m.yml", data, names...)
	}
	if refused := (*Error)(nil); err != nil {
		if !errors.As(err, &refused) || refused.HintText == "" {
			t.Fatalf("%q is refused with %v", data, err)
		}
		return nil, false
	}
	checkEdit(t, data, out, deps, names)
	return out, true
}
