package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// npmPrefix is where npm's clients find the corpus, goPrefix where Go does; opkg finds it at the root. All are served the same
// .tgz files, but Go, which wants zip.
const (
	npmPrefix = "/npm/"
	goPrefix  = "/go/"
	goModule  = "bench.test/"
	version   = "1.1.0"
)

// entry is one file of a package.
type entry struct {
	path string
	exec bool
	data []byte
}

// writeCorpus writes n packages below dir in the layouts of all registries, and returns how many files they have. The same n and depth give
// the same bytes: mostly short Markdown files in some folders, a script here and there, and one package in sixty with a large asset.
// At depth 1 the project requires every package; else the first few alone, and what they lead to is that many levels deep.
func writeCorpus(dir string, n, depth int, url string) (files int, err error) {
	var projects project
	for i := range n {
		rng := rand.New(rand.NewPCG(uint64(i), 7))
		name := nameOf(i)
		deps := map[string]string{}
		for range min(i, rng.IntN(4)) {
			deps[nameOf(rng.IntN(i))] = "^1.0.0"
		}
		if depth > 1 {
			deps = levelled(rng, i, n, depth)
		}
		list := payloadOf(rng, name, deps)
		files += len(list) - 1 // without package.json, which is npm's
		tgz, err := tarball(list)
		if err != nil {
			return 0, err
		}
		if err := write(filepath.Join(dir, "packages", name, version+".tgz"), tgz); err != nil {
			return 0, err
		}
		if err := writePackument(dir, name, deps, tgz, url); err != nil {
			return 0, err
		}
		if err := writeModule(dir, name, list); err != nil {
			return 0, err
		}
		projects.add(name, depth <= 1 || i < levelStart(1, n, depth))
	}
	return files, projects.write(filepath.Join(dir, "projects"))
}

// deepRoots is how many packages a project requires whose graph is deep.
const deepRoots = 20

// levelStart is the first of the n packages that stand on a level of a graph that is depth levels deep.
func levelStart(level, n, depth int) int {
	roots := min(deepRoots, n)
	if level == 0 {
		return 0
	}
	return roots + (n-roots)*(level-1)/(depth-1)
}

// levelled are the requirements of package i: its share of the next level, so that somebody needs each package, and two of it besides.
func levelled(rng *rand.Rand, i, n, depth int) map[string]string {
	deps := map[string]string{}
	for level := range depth - 1 {
		begin, next, end := levelStart(level, n, depth), levelStart(level+1, n, depth), levelStart(level+2, n, depth)
		if i < begin || i >= next || next == end {
			continue
		}
		for j := next + i - begin; j < end; j += next - begin {
			deps[nameOf(j)] = "^1.0.0"
		}
		for range 2 {
			deps[nameOf(next+rng.IntN(end-next))] = "^1.0.0"
		}
	}
	return deps
}

func nameOf(i int) string {
	kinds := []string{"rules", "skills", "agents", "commands", "review", "deploy"}
	return fmt.Sprintf("%s-%05d", kinds[i%len(kinds)], i)
}

func payloadOf(rng *rand.Rand, name string, deps map[string]string) []entry {
	var manifest strings.Builder
	fmt.Fprintf(&manifest, "name: %s\nversion: %s\n", name, version)
	if len(deps) > 0 {
		manifest.WriteString("dependencies:\n")
		for _, d := range sortedKeys(deps) {
			fmt.Fprintf(&manifest, "  - name: %s\n    version: %s\n", d, deps[d])
		}
	}
	npm, _ := json.Marshal(map[string]any{"name": name, "version": version, "dependencies": deps})
	list := []entry{{path: "package.json", data: npm}, {path: "openpackage.yml", data: []byte(manifest.String())}}
	for i := range 6 + rng.IntN(25) {
		folder := []string{"", "rules/", "commands/", "skills/one/", "skills/two/references/", "agents/"}[rng.IntN(6)]
		list = append(list, entry{path: fmt.Sprintf("%s%02d.md", folder, i), data: prose(rng, 300+rng.IntN(5000))})
	}
	if rng.IntN(4) == 0 {
		list = append(list, entry{path: "scripts/run.sh", exec: true, data: append([]byte("#!/bin/sh\n"), prose(rng, 400)...)})
	}
	if rng.IntN(60) == 0 {
		asset := make([]byte, 1<<20)
		for i := range asset {
			asset[i] = byte(rng.IntN(64)) // compresses to three quarters
		}
		list = append(list, entry{path: "assets/model.bin", data: asset})
	}
	return list
}

func prose(rng *rand.Rand, n int) []byte {
	words := strings.Fields("always never prefer check write read the a of to with before after when test review deploy error function module interface small exact short name type value return handle close open file path line comment rule agent command skill")
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(words[rng.IntN(len(words))])
		b.WriteByte(" \n"[min(rng.IntN(12)/11, 1)])
	}
	return b.Bytes()
}

// tarball is an archive whose files stand in the directory package/, as npm's do; opkg takes that off.
func tarball(list []entry) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, e := range list {
		mode := int64(0o644)
		if e.exec {
			mode = 0o755
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "package/" + e.path, Mode: mode, Size: int64(len(e.data))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	err := z.Close()
	return b.Bytes(), err
}

// assetName is the package with one large file.
const assetName = "asset"

// writeAsset writes it: size bytes that do not compress, stored as they are.
func writeAsset(dir string, size int64) (err error) {
	file := filepath.Join(dir, "packages", assetName, version+".tgz")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	z, err := gzip.NewWriterLevel(f, gzip.NoCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(z)
	manifest := "name: " + assetName + "\nversion: " + version + "\n"
	for _, e := range []struct {
		name string
		size int64
		data io.Reader
	}{
		{"openpackage.yml", int64(len(manifest)), strings.NewReader(manifest)},
		{"model.bin", size, io.LimitReader(rand.NewChaCha8([32]byte{1}), size)},
	} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: 0o644, Size: e.size}); err != nil {
			return err
		}
		if _, err := io.Copy(w, e.data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return z.Close()
}

func writePackument(dir, name string, deps map[string]string, tgz []byte, url string) error {
	s1, s512 := sha1.Sum(tgz), sha512.Sum512(tgz)
	text, err := json.Marshal(map[string]any{
		"name": name, "dist-tags": map[string]string{"latest": version},
		"versions": map[string]any{version: map[string]any{"name": name, "version": version, "dependencies": deps,
			"dist": map[string]string{"tarball": url + "packages/" + name + "/" + version + ".tgz", "shasum": hex.EncodeToString(s1[:]),
				"integrity": "sha512-" + base64.StdEncoding.EncodeToString(s512[:])}}},
	})
	if err != nil {
		return err
	}
	return write(filepath.Join(dir, filepath.FromSlash(npmPrefix[1:]), name, "packument"), text)
}

func writeModule(dir, name string, list []entry) error {
	at := filepath.Join(dir, filepath.FromSlash(goPrefix[1:]+goModule), name, "@v")
	mod := []byte("module " + goModule + name + "\n")
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range append(list, entry{path: "go.mod", data: mod}) {
		w, err := z.Create(goModule + name + "@v" + version + "/" + e.path)
		if err != nil {
			return err
		}
		if _, err := w.Write(e.data); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	for file, data := range map[string][]byte{".zip": b.Bytes(), ".mod": mod, ".info": []byte(`{"Version":"v` + version + `"}`)} {
		if err := write(filepath.Join(at, "v"+version+file), data); err != nil {
			return err
		}
	}
	return write(filepath.Join(at, "list"), []byte("v"+version+"\n"))
}

// project collects the manifests of a project.
type project struct {
	opkg, mod strings.Builder
	npm       map[string]string
}

// add makes it need a package; Go, which is not asked to resolve, is told of all.
func (p *project) add(name string, direct bool) {
	if p.npm == nil {
		p.npm = map[string]string{}
		p.opkg.WriteString("name: bench\nversion: 1.0.0\ndependencies:\n")
		p.mod.WriteString("module bench.local\n\ngo 1.21\n\nrequire (\n")
	}
	fmt.Fprintf(&p.mod, "\t%s%s v%s\n", goModule, name, version)
	if direct {
		fmt.Fprintf(&p.opkg, "  - name: %s\n    version: ^1.0.0\n", name)
		p.npm[name] = "^1.0.0"
	}
}

func (p *project) write(dir string) error {
	npm, err := json.Marshal(map[string]any{"name": "bench", "version": "1.0.0", "dependencies": p.npm})
	if err != nil {
		return err
	}
	for file, text := range map[string]string{"openpackage.yml": p.opkg.String(), "package.json": string(npm), "go.mod": p.mod.String() + ")\n"} {
		if err := write(filepath.Join(dir, file), []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

func write(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}
