package materialize

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// shelfOf makes a store with n packages of 20 files in 9 directories.
func shelfOf(b *testing.B, n int) *shelf {
	b.Helper()
	home := b.TempDir()
	sh := &shelf{store: openStore(b, filepath.Join(home, "store")), dir: filepath.Join(home, "registry")}
	sh.target = New(sh.dir, sh.store, Options{})
	for i := range n {
		f := files{}
		for j := range 19 {
			f[fmt.Sprintf("skills/s%d/part%d/%d.md", j%3, j%2, j)] = fmt.Sprintf("package %d, file %d\n", i, j)
		}
		sh.wants = append(sh.wants, put(b, sh.store, fmt.Sprintf("p%d", i), "1.0.0", f))
	}
	return sh
}

// BenchmarkPlace makes 100 packages, 2,000 files.
func BenchmarkPlace(b *testing.B) {
	sh := shelfOf(b, 100)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		sh.dir = filepath.Join(filepath.Dir(sh.dir), fmt.Sprint("registry", i))
		sh.target = New(sh.dir, sh.store, Options{})
		sh.sync(b)
	}
}

// BenchmarkKeep looks at 100 packages, 2,000 files, that are as they should be.
func BenchmarkKeep(b *testing.B) {
	sh := shelfOf(b, 100)
	sh.sync(b)
	b.ReportAllocs()
	for b.Loop() {
		sh.sync(b)
	}
}

// BenchmarkStat is what BenchmarkKeep cannot beat: an lstat of every file.
func BenchmarkStat(b *testing.B) {
	sh := shelfOf(b, 100)
	sh.sync(b)
	var paths []string
	for _, w := range sh.wants {
		tree, err := sh.store.Tree(w.Tree)
		mustDo(b, err)
		for _, e := range tree.Entries {
			paths = append(paths, filepath.Join(sh.target.versionDir(w), e.Path))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range paths {
			if _, err := os.Lstat(p); err != nil {
				b.Fatal(err)
			}
		}
	}
}
