package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/sources"
)

// What a package of coding-agent configuration rarely is beyond; opkg pack warns of more.
const (
	LargeFile    = 5 << 20  // bytes of one file
	LargePackage = 20 << 20 // bytes of all files
	ManyFiles    = 1_000
)

// candidate is a package that is ready to be published: an archive that was read back as a client would read it.
type candidate struct {
	*cas.Artifact
	manifest *manifest.Manifest
	files    []archive.File // in the archive's order, without Data
	unpacked int64          // bytes of all files
	file     *os.File
}

// close removes the archive, unless it was moved away.
func (c *candidate) close() {
	c.file.Close()
	_ = os.Remove(c.file.Name())
}

// newCandidate packs the directory src, or copies the archive src, into a new file in the directory tmp, and judges the result.
// Errors: *manifest.Error, *archive.UnsafeError, *PackageError.
func (w *World) newCandidate(ctx context.Context, src, tmp string) (*candidate, error) {
	fi, err := os.Stat(src)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &PackageError{Path: w.show(src), Reason: "it does not exist", HintText: "name the directory of a package, or an archive of one; opkg new DIR makes a package to begin with"}
	}
	if err != nil {
		return nil, err
	}
	file, err := createIn(tmp)
	if err != nil {
		return nil, err
	}
	c := &candidate{file: file}
	switch {
	case fi.IsDir():
		err = c.pack(ctx, w, src)
	case fi.Mode().IsRegular():
		err = c.copy(ctx, src)
	default:
		err = &PackageError{Path: w.show(src), Reason: "it is neither a directory nor an archive"}
	}
	if err == nil {
		err = c.readBack(ctx, w.show(src))
	}
	if err != nil {
		c.close()
		return nil, toAuthor(err, fi.IsDir())
	}
	return c, nil
}

// toAuthor gives an *archive.UnsafeError the hint for whoever packs, in place of the one for whoever installs.
func toAuthor(err error, packed bool) error {
	var unsafe *archive.UnsafeError
	switch {
	case !errors.As(err, &unsafe):
		return err
	case !packed:
		return sources.WithHint(err, "name the directory of a package, or an archive that opkg pack made")
	case unsafe.Entry == "":
		return sources.WithHint(err, "leave out what whoever installs the package does not need")
	}
	return sources.WithHint(err, fmt.Sprintf("no client could install it: rename or remove %q, or put a plain file in its place", unsafe.Entry))
}

// createIn makes a new file, with the permissions that the umask leaves: it may become a file that a web server reads. Its name is
// one that no package takes in, should dir be one.
func createIn(dir string) (*os.File, error) {
	reserved, err := os.CreateTemp(dir, "._opkg-*.tgz")
	if err != nil {
		return nil, err
	}
	name := reserved.Name()
	reserved.Close()
	if err := os.Remove(name); err != nil {
		return nil, err
	}
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
}

// pack writes the payload of a directory.
func (c *candidate) pack(ctx context.Context, w *World, dir string) error {
	m, err := w.packageIn(dir)
	if err != nil {
		return err
	}
	w.warnOf(m)
	all, err := archive.PayloadOfDir(dir)
	if err != nil {
		return err
	}
	files := slices.DeleteFunc(all, func(f archive.File) bool { return isArchiveOf(m.Name, f.Path) })
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return archive.Write(c.file, files, func(path string) (io.ReadCloser, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return root.Open(path)
	})
}

// packageIn reads the manifest of a package that is to be published. The places of its faults are those of the file.
func (w *World) packageIn(dir string) (*manifest.Manifest, error) {
	path := filepath.Join(dir, ManifestName)
	data, err := readCommitted(dir, path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) {
		e := &PackageError{Path: w.show(dir), Reason: "it holds no " + ManifestName, HintText: "opkg new DIR makes a package to begin with; to make one of these files, give the directory " + enoughForPackage}
		if _, err := os.Stat(filepath.Join(dir, dotDir, ManifestName)); err == nil {
			e.HintText = fmt.Sprintf("%s/%s makes it a workspace; a package has its %s at its root", dotDir, ManifestName, ManifestName)
		}
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	m, err := manifest.ParsePackage(w.show(path), data)
	if err != nil {
		return nil, err
	}
	return m, checkPublishable(m)
}

// checkPublishable judges what a manifest must say beyond being readable.
func checkPublishable(m *manifest.Manifest) error {
	if m.Version.IsZero() {
		return &manifest.Error{File: m.File, Msg: "the package has no version", HintText: "add a line such as version: 1.0.0"}
	}
	if m.Version.IsGit() {
		return &manifest.Error{File: m.File, Msg: fmt.Sprintf("version %s is one of a git commit, which a registry cannot have", m.Version), HintText: "give it a version of its own"}
	}
	for _, d := range m.Dependencies {
		if d.Git != "" {
			return &manifest.Error{File: m.File, Line: d.Pos.Line, Column: d.Pos.Column,
				Msg:      fmt.Sprintf("it needs %s from the git repository %s: a package of a registry may need packages of registries alone", d.Name, d.Git),
				HintText: fmt.Sprintf("publish %s too, and ask for a range of it; or move it to dev-dependencies", d.Name)}
		}
	}
	return nil
}

// isArchiveOf reports whether path, at the root of a package, is an archive that opkg pack made of it: a package that
// held its own archives would change each time that it is packed.
func isArchiveOf(name ident.Name, path string) bool {
	rest, ok := strings.CutPrefix(path, flatName(name)+"-")
	stem, tgz := strings.CutSuffix(rest, ".tgz")
	if !ok || !tgz || strings.Contains(path, "/") {
		return false
	}
	_, err := ident.ParseVersion(stem)
	return err == nil
}

// flatName is a name as part of a file name: my-pkg, and myorg-rules for @myorg/rules.
func flatName(name ident.Name) string {
	return strings.ReplaceAll(strings.TrimPrefix(string(name), "@"), "/", "-")
}

// ArchiveName is what opkg pack calls an archive: my-pkg-1.0.0.tgz, myorg-rules-1.0.0.tgz.
func ArchiveName(name ident.Name, v ident.Version) string {
	return flatName(name) + "-" + v.String() + ".tgz"
}

// copy takes an archive that somebody packed before.
func (c *candidate) copy(ctx context.Context, src string) error {
	f, err := os.Open(src)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(c.file, io.LimitReader(f, archive.MaxArchive+1))
	if err == nil && n > archive.MaxArchive {
		err = &archive.UnsafeError{Archive: src, Reason: fmt.Sprintf("it has more than %d bytes", int64(archive.MaxArchive))}
	}
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// readBack reads the archive as whoever installs it will: what no client could install is refused here.
func (c *candidate) readBack(ctx context.Context, label string) error {
	var err error
	if c.Artifact, err = cas.Inspect(ctx, label, c.file); err != nil {
		return err
	}
	a, err := new(archive.Unpacker).OpenFile(ctx, label, c.file, c.Size)
	if err != nil {
		return err
	}
	defer a.Close()
	for _, f := range a.Files() {
		f.Data = nil
		c.files = append(c.files, f)
		c.unpacked += f.Size
	}
	c.manifest, err = manifest.ParsePackage(strings.TrimSuffix(label, "/")+"/"+ManifestName, append([]byte(nil), a.Manifest()...))
	if err != nil {
		return err
	}
	return checkPublishable(c.manifest)
}

// namesSecret reports whether programs keep passwords, tokens or private keys in files of that name.
func namesSecret(file string) bool {
	base := strings.ToLower(path.Base(file))
	if rest, ok := strings.CutPrefix(base, ".env."); ok {
		return !slices.Contains([]string{"example", "sample", "template", "dist", "schema"}, rest)
	}
	switch base {
	case ".env", ".envrc", ".npmrc", ".netrc", "_netrc", ".pypirc", ".pgpass", ".git-credentials", ".htpasswd", "credentials.yml",
		"id_rsa", "id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk":
		return true
	}
	switch path.Ext(base) {
	case ".key", ".ppk", ".p12", ".pfx", ".jks", ".keystore", ".kdbx":
		return true
	}
	return false
}

// clientRange is what the OpenPackage client reads as a range: *, latest, an exact version, ^ or ~ before one, or
// comparators. A dependency with another range it leaves out without a word.
const clientRange = `^(\*|latest|[~^]?[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?|[<>=].*)$`

// advise tells the observer of what can be published, and perhaps should not be as it is.
func (c *candidate) advise(w *World) {
	readable := regexp.MustCompile(clientRange)
	at := func(d manifest.Dependency) string { return fmt.Sprintf("%s:%d: ", c.manifest.File, d.Pos.Line) }
	for _, d := range c.manifest.Dependencies {
		switch {
		case d.Path != "":
			w.warn(fmt.Sprintf("%s%s is a directory here (%s), which nobody who installs the package gets", at(d), d.Name, d.Path), "publish it too and give a range, or move it to dev-dependencies")
			continue
		case d.Registry != "":
			w.warn(fmt.Sprintf("%sregistry: %s counts in a workspace alone: whoever installs the package takes %s from a registry of their own", at(d), d.Registry, d.Name), "")
		}
		if s := d.Range.String(); d.HasRange && !readable.MatchString(s) {
			w.warn(fmt.Sprintf("%sthe OpenPackage client does not read the range %q and would leave out %s", at(d), s, d.Name), "write "+plainRange(d.Range))
		}
	}
	for _, f := range c.files {
		if namesSecret(f.Path) {
			w.warn(fmt.Sprintf("%s is in the package, and has a name that files with secrets have", f.Path),
				"if it holds any, move it out of the directory, or into .openpackage/ there, which is left out: what is published stays")
		}
		if f.Size > LargeFile {
			w.warn(fmt.Sprintf("%s has %.1f MB", f.Path, float64(f.Size)/1e6), "every machine that installs the package keeps it")
		}
	}
	if c.unpacked > LargePackage {
		w.warn(fmt.Sprintf("the package has %.1f MB", float64(c.unpacked)/1e6), "")
	}
	if len(c.files) > ManyFiles {
		w.warn(fmt.Sprintf("the package has %d files", len(c.files)), "")
	}
}

// plainRange writes a range in a form that every client reads: with ^ or ~ where that means the same from the first release on, or
// else with comparators.
func plainRange(r ident.Range) string {
	all := r.Intervals()
	if len(all) == 1 && !all[0].Lo.IsZero() {
		lo := all[0].Lo
		for _, sign := range []string{"^", "~"} {
			text := fmt.Sprintf("%s%d.%d.%d", sign, lo.Major(), lo.Minor(), lo.Patch())
			if p, err := ident.ParseRange(text); err == nil && p.Intervals()[0].Hi == all[0].Hi {
				return text
			}
		}
	}
	var parts []string
	for _, iv := range all {
		var p []string
		if !iv.Lo.IsZero() {
			p = append(p, ">="+iv.Lo.String())
		}
		if !iv.Hi.IsZero() {
			p = append(p, "<"+iv.Hi.String())
		}
		if len(p) == 0 {
			return "*"
		}
		parts = append(parts, strings.Join(p, " "))
	}
	return strings.Join(parts, " || ")
}

// PackageError is a package that cannot be packed or published as it is.
type PackageError struct {
	Path     string
	Reason   string
	HintText string
}

func (e *PackageError) Error() string { return e.Path + ": " + e.Reason }

// Hint says what to do, or "".
func (e *PackageError) Hint() string { return e.HintText }
