package ops

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/atomicfile"
	"github.com/openpackage/opkg/internal/held"
	"github.com/openpackage/opkg/manifest"
)

// PackOptions of Pack. Paths are absolute.
type PackOptions struct {
	Dir    string // the package
	Out    string // the archive, or a directory for it; "": ArchiveName in w.Dir
	DryRun bool   // write nothing
}

// Packed is a package as Pack packed it.
type Packed struct {
	cas.Artifact
	Files    []archive.File // in the archive's order, without content
	Unpacked int64          // bytes of all files
	Path     string         // of the archive
}

// Pack writes the package in a directory as an archive whose bytes depend on its files alone, and tells the observer of what
// should perhaps be otherwise. Errors: *manifest.Error, *archive.UnsafeError, *PackageError.
func (w *World) Pack(ctx context.Context, opt PackOptions) (*Packed, error) {
	m, err := w.packageIn(opt.Dir)
	if err != nil {
		return nil, err
	}
	out, err := w.packTarget(opt, m)
	if err != nil {
		return nil, err
	}
	tmp := filepath.Dir(out)
	if opt.DryRun {
		if tmp, err = w.scratch(); err != nil {
			return nil, err
		}
	}
	c, err := w.newCandidate(ctx, opt.Dir, tmp)
	if err != nil {
		return nil, err
	}
	defer c.close()
	c.advise(w)
	res := &Packed{Artifact: *c.Artifact, Files: c.files, Unpacked: c.unpacked, Path: out}
	if opt.DryRun {
		return res, nil
	}
	if err := c.file.Sync(); err != nil {
		return nil, err
	}
	if err := c.file.Close(); err != nil { // some systems rename no file that is open
		return nil, err
	}
	return res, held.Retry(func() error { return os.Rename(c.file.Name(), out) })
}

// packTarget is where the archive goes. An archive inside of the package would be a part of the next one.
func (w *World) packTarget(opt PackOptions, m *manifest.Manifest) (string, error) {
	name := ArchiveName(m.Name, m.Version)
	out := opt.Out
	if out == "" {
		out = filepath.Join(w.Dir, name)
	} else if fi, err := os.Stat(out); err == nil && fi.IsDir() {
		out = filepath.Join(out, name)
	}
	if _, err := os.Stat(filepath.Dir(out)); errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) {
		return "", &PackageError{Path: w.show(filepath.Dir(out)), Reason: "the directory does not exist", HintText: "make it, or write the archive elsewhere with -o"}
	}
	switch fi, err := os.Lstat(out); {
	case err == nil && !fi.Mode().IsRegular():
		return "", &PackageError{Path: w.show(out), Reason: "it is there already, and no regular file"}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	if rel, err := filepath.Rel(opt.Dir, out); err == nil && filepath.IsLocal(rel) {
		rel = filepath.ToSlash(rel)
		if !isArchiveOf(m.Name, rel) && !archive.Dropped(rel) {
			return "", &PackageError{Path: w.show(out), Reason: "an archive inside of the package would be a part of it the next time",
				HintText: "write it elsewhere, or leave out -o: " + name + " is known for what it is"}
		}
	}
	return out, nil
}

// scratch is a directory for what nobody keeps, in the cache.
func (w *World) scratch() (string, error) {
	dir := filepath.Join(w.CacheDir(), "tmp")
	return dir, os.MkdirAll(dir, 0o755)
}

// enoughForPackage says what makes a package of files that are there.
const enoughForPackage = "an " + ManifestName + " with name and version (such as name: my-rules and version: 1.0.0): then opkg pack and opkg publish take it as it is"

// New makes a package in a directory that is empty or not there yet: what opkg pack takes. name "" takes the directory's,
// made into a legal one. It returns the files that it made, relative to dir.
func (w *World) New(dir, name string) (ident.Name, []string, error) {
	if name == "" {
		name = suggestName(filepath.Base(dir))
		if name == "workspace" {
			name = "package"
		}
	}
	n, err := ParseName(name)
	if err != nil {
		return "", nil, err
	}
	entries, err := os.ReadDir(dir)
	switch {
	case err == nil && len(entries) > 0:
		return "", nil, &PackageError{Path: w.show(dir), Reason: "it is not empty", HintText: "name a directory that does not exist yet; or give this one " + enoughForPackage}
	case errors.Is(err, errNotDir):
		return "", nil, &PackageError{Path: w.show(dir), Reason: "it is no directory"}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", nil, err
	}
	short := string(n)[strings.LastIndexByte(string(n), '/')+1:]
	files := []struct{ path, text string }{
		{ManifestName, string(manifest.NewPackage(n))},
		{"README.md", fmt.Sprintf("# %s\n\nWhat this package is for, and when to install it.\n\n## Install\n\n```sh\nopkg add %s\n```\n", n, n)},
		{"rules/" + short + ".md", "---\ndescription: When this rule applies\n---\n\n# " + short + "\n\nWhat the agent is to do, in plain sentences.\n"},
	}
	var made []string
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.path))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return "", nil, err
		}
		if err := atomicfile.Write(path, []byte(f.text), 0o666); err != nil {
			return "", nil, fmt.Errorf("write %s: %w", w.show(path), err)
		}
		made = append(made, f.path)
	}
	return n, made, nil
}
