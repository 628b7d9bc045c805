package sources

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/openpackage/opkg/ident"
)

func packAt(file string) *pack { return &pack{cache: filepath.Dir(file), file: file} }

func wantPacked(t *testing.T, file string, want map[ident.Name]string) {
	t.Helper()
	p := packAt(file)
	for name, text := range want {
		if got := p.get(name); string(got) != text {
			t.Errorf("%s: %.60q, want %.60q", name, got, text)
		}
	}
}

func size(t *testing.T, file string) int64 {
	t.Helper()
	fi, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Size()
}

// What is put while somebody uses the pack is written once, when the last user is done; it can be read at once.
func TestPackWritesOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a", "b", "pack")
	p := packAt(file)
	first, second := p.use(), p.use()
	p.put("a", []byte("one"))
	p.put("b", []byte("two"))
	p.put("a", []byte("three"))
	first()
	if _, err := os.Stat(file); err == nil {
		t.Error("it was written before the last user was done")
	}
	if got := p.get("a"); string(got) != "three" {
		t.Errorf("%q", got)
	}
	second()
	wantPacked(t, file, map[ident.Name]string{"a": "three", "b": "two", "c": ""})
}

// A pack that is cut anywhere has all records that are whole, the last but one of a name included, and takes further ones.
func TestPackCutAnywhere(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pack")
	p := packAt(file)
	type state = map[ident.Name]string
	states := map[int64]state{0: {"a": "", "b": ""}}
	for _, s := range []struct {
		name, text string
		then       state
	}{{"a", "one", state{"a": "one", "b": ""}}, {"b", "two", state{"a": "one", "b": "two"}}, {"a", "three", state{"a": "three", "b": "two"}}} {
		p.put(ident.Name(s.name), []byte(s.text))
		states[size(t, file)] = s.then
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := states[0]
	for n := range len(whole) + 1 {
		if s, ok := states[int64(n)]; ok {
			want = s
		}
		cut := filepath.Join(dir, fmt.Sprint(n))
		if err := os.WriteFile(cut, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		wantPacked(t, cut, want)
		packAt(cut).put("c", []byte("more"))
		wantPacked(t, cut, want)
		wantPacked(t, cut, state{"c": "more"})
	}
}

// A changed byte costs its record and no other.
func TestPackFlippedAnywhere(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pack")
	p := packAt(file)
	texts := map[ident.Name]string{"a": "one", "b": "two", "c": "three"}
	for name, text := range texts {
		p.put(name, []byte(text))
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		for _, bit := range []byte{1, 0x80, whole[i]} { // the last makes it a NUL
			flipped := bytes.Clone(whole)
			flipped[i] ^= bit
			if err := os.WriteFile(file, flipped, 0o600); err != nil {
				t.Fatal(err)
			}
			p, lost := packAt(file), 0
			for name, text := range texts {
				switch got := p.get(name); {
				case got == nil:
					lost++
				case string(got) != text:
					t.Fatalf("byte %d: %s is %q", i, name, got)
				}
			}
			if lost > 2 || lost > 1 && whole[i] != 0 { // without the NUL between them, two records are one
				t.Fatalf("byte %d: %d records are lost", i, lost)
			}
		}
	}
}

// Several processes write beside each other, none waits, and what each wrote is there.
func TestPackAppendedByMany(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pack")
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			p := packAt(file) // as another process has it
			for i := range 50 {
				p.put(ident.Name(fmt.Sprintf("w%d-%d", w, i)), []byte(strings.Repeat("x", 1000+i)))
			}
		})
	}
	all.Wait()
	p := packAt(file)
	for w := range 8 {
		for i := range 50 {
			if got := p.get(ident.Name(fmt.Sprintf("w%d-%d", w, i))); len(got) != 1000+i {
				t.Fatalf("writer %d, record %d: %d bytes", w, i, len(got))
			}
		}
	}
}

// A pack of which most is old is written anew, with what other processes added.
func TestPackCompacts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pack")
	p := packAt(file)
	p.put("kept", []byte("kept"))
	packAt(file).put("other", []byte("of another process"))
	text := bytes.Repeat([]byte("x"), 10_000)
	most := int64(0)
	for i := range 500 {
		p.put("changing", fmt.Append(text, i))
		most = max(most, size(t, file))
	}
	if most > packSlack+2*int64(len(text)) {
		t.Errorf("it grew to %d bytes", most)
	}
	wantPacked(t, file, map[ident.Name]string{"kept": "kept", "other": "of another process", "changing": fmt.Sprint(string(text), 499)})
}

// A pack is bounded: beyond that, the oldest records go.
func TestPackIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pack")
	p := packAt(file)
	text := bytes.Repeat([]byte("x"), 1<<20)
	for i := range 70 {
		p.put(ident.Name(fmt.Sprintf("n%d", i)), text)
	}
	if n := size(t, file); n > maxPack+1<<21 {
		t.Errorf("it has %d bytes", n)
	}
	p = packAt(file)
	if p.get("n69") == nil || p.get("n0") != nil {
		t.Error("not the oldest went")
	}
	if err := os.Truncate(file, 2*maxPack+1); err != nil { // by whoever it was
		t.Fatal(err)
	}
	packAt(file).put("new", []byte("new"))
	packAt(file).put("newer", []byte("newer"))
	wantPacked(t, file, map[ident.Name]string{"newer": "newer", "n69": ""})
	if n := size(t, file); n > 1<<10 {
		t.Errorf("it still has %d bytes", n)
	}
}
