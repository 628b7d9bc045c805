package cas

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/zeebo/blake3"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/manifest"
)

// Want is what an artifact must be. Zero Size, SHA256 or Tree are not known and not checked; Dependencies nil
// are not checked (empty and not nil: there must be none).
type Want struct {
	Name         ident.Name
	Version      ident.Version
	Source       string // for messages
	Size         int64
	SHA256       ident.SHA256
	Tree         ident.TreeID
	Dependencies []ident.Requirement

	// Of a git repository that is no registry:
	Repositories []string // git URLs that the package may name in its dependencies; elsewhere it may name none
	Tagged       bool     // a tag or a commit decides about the version where openpackage.yml has none: see SameVersion
}

// label names the artifact in messages.
func (w Want) label() string {
	switch {
	case w.Name == "":
		return w.Source
	case w.Source == "":
		return fmt.Sprintf("%s@%s", w.Name, w.Version)
	}
	return fmt.Sprintf("%s@%s from %s", w.Name, w.Version, w.Source)
}

func (w Want) mismatch(what, want, got string) error {
	return &ident.MismatchError{Name: w.Name, Version: w.Version, Source: w.Source, What: what, Want: want, Got: got}
}

// Put verifies a .tgz against want, unpacks and stores it, in one call; it reads no more of r than it wants. An error
// leaves nothing behind: *ident.MismatchError, *archive.UnsafeError, *BusyError, or the reader's own.
//
// What Put stored becomes visible, to this Store as to others, by the next Flush: call it once after all Puts of a
// run, or Discard if the run failed. From the first Put until then the store's shared lock is held. Put flushes by
// itself whenever flushBytes have piled up.
func (s *Store) Put(ctx context.Context, want Want, r io.Reader) (*Artifact, error) {
	p := &put{store: s, want: want}
	defer p.close()
	if err := p.download(ctx, r); err != nil {
		return nil, err
	}
	return p.take(ctx, func() (archive.Payload, error) { return p.open(ctx) })
}

// Busy reports whether as many archives are being unpacked as may be: a further one would have to wait.
func (s *Store) Busy() bool { return len(s.extract) == cap(s.extract) }

// PutFiles is Put for a package that is no archive: its SHA256 is of the lines "<sha256> <mode> <path>", one a file, sorted by the bytes
// of the path (docs/lockfile.md). The Size of want is not looked at; that of the Artifact is the sum of its files.
func (s *Store) PutFiles(ctx context.Context, want Want, files archive.Files) (*Artifact, error) {
	p := &put{store: s, want: want, listing: map[string]ident.SHA256{}}
	defer p.close()
	return p.take(ctx, func() (archive.Payload, error) { return archive.Collect(ctx, want.label(), files) })
}

// take is what follows when the bytes can be had.
func (p *put) take(ctx context.Context, open func() (archive.Payload, error)) (*Artifact, error) {
	s := p.store
	select {
	case s.extract <- struct{}{}:
		defer func() { <-s.extract }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	payload, err := open()
	if err != nil {
		return nil, err
	}
	defer payload.Close()
	a, full, err := p.unpack(ctx, payload)
	if err == nil && full {
		err = s.Flush(ctx)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// put is one Put under way.
type put struct {
	store *Store
	want  Want
	area  *area // nil until something is written

	data      *[]byte  // the archive in memory, or
	spool     *os.File // in a file
	spoolName string   // of area; "" where the file is the caller's
	reserved  int64    // bytes of Store.reserved
	size      int64
	sum       ident.SHA256

	listing map[string]ident.SHA256 // of PutFiles: the files by path; nil for an archive
}

// enter makes sure that there is a place to write.
func (p *put) enter(ctx context.Context) (err error) {
	if p.area == nil {
		p.area, err = p.store.enter(ctx)
	}
	return err
}

func (p *put) close() {
	if p.spoolName != "" {
		p.spool.Close()
		_ = p.area.folder.root.Remove(p.spoolName)
	}
	p.recycle()
	p.store.reserved.Add(-p.reserved)
	if p.area != nil {
		p.store.leave(p.area)
	}
}

// keptBuffer is the largest buffer that is kept for the next download, in bytes: most archives fit, and there are as many as downloads.
const keptBuffer = 256 << 10

// recycle gives the archive's memory up.
func (p *put) recycle() {
	if p.data != nil && cap(*p.data) <= keptBuffer {
		p.store.buffers.Put(p.data)
	}
	p.data = nil
}

// open checks the archive, which is what was promised, whole.
func (p *put) open(ctx context.Context) (archive.Payload, error) {
	if p.spool != nil {
		return payload(p.store.unpacker.OpenFile(ctx, p.want.label(), p.spool, p.size))
	}
	return payload(p.store.unpacker.Open(ctx, p.want.label(), *p.data))
}

// payload keeps a nil *archive.Archive from becoming a Payload that is not nil.
func payload(a *archive.Archive, err error) (archive.Payload, error) {
	if err != nil {
		return nil, err
	}
	return a, nil
}

// unpack is steps 4 to 6. full says that much is staged.
func (p *put) unpack(ctx context.Context, a archive.Payload) (art *Artifact, full bool, err error) {
	art, err = describe(a.Manifest(), p.want)
	if err != nil {
		return nil, false, err
	}
	staged := &batch{}
	defer func() {
		if err != nil && p.area != nil {
			p.area.discard(staged)
		}
	}()
	tree, err := treeOf(ctx, a, func(f archive.File, r io.Reader) (ident.BlobID, error) {
		if f.Data != nil {
			if p.listing != nil {
				p.listing[f.Path] = sha256.Sum256(f.Data)
			}
			return blake3.Sum256(f.Data), nil
		}
		if err := p.enter(ctx); err != nil {
			return ident.BlobID{}, err
		}
		if p.listing == nil {
			return p.store.spill(p.area, staged, f.Size, r)
		}
		h := sha256.New()
		id, err := p.store.spill(p.area, staged, f.Size, io.TeeReader(r, h))
		p.listing[f.Path] = ident.SHA256(h.Sum(nil))
		return id, err
	})
	if err != nil {
		return nil, false, err
	}
	if p.listing != nil {
		if err := p.sumListing(tree); err != nil {
			return nil, false, err
		}
	}
	art.Size, art.SHA256 = p.size, p.sum
	listing := tree.Format()
	art.Tree = ident.TreeID(blake3.Sum256(listing))
	if !p.want.Tree.IsZero() && p.want.Tree != art.Tree {
		return nil, false, p.want.mismatch("tree", p.want.Tree.String(), art.Tree.String())
	}
	if err := p.enter(ctx); err != nil {
		return nil, false, err
	}
	content := make(map[string][]byte, len(a.Files()))
	for _, f := range a.Files() {
		if f.Data != nil {
			content[f.Path] = f.Data
		}
	}
	if p.store.keeps() && len(content) == len(tree.Entries) {
		err = p.stagePayload(ctx, staged, art, tree, content)
	} else {
		err = p.stageBlobs(ctx, staged, tree, content)
	}
	if err != nil {
		return nil, false, p.store.within(err)
	}
	if err := p.area.stageListing(staged, art, listing); err != nil {
		return nil, false, p.store.within(err)
	}
	return art, p.store.add(p.area, staged), nil
}

// stageBlobs writes the blobs that are not there yet.
func (p *put) stageBlobs(ctx context.Context, staged *batch, tree *Tree, content map[string][]byte) error {
	for _, e := range tree.Entries {
		data, ok := content[e.Path]
		if !ok || p.store.has(staged, e) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.area.stage(staged, e.Blob, data); err != nil {
			return err
		}
	}
	return nil
}

// sumListing is step 2 for files, which can be told only when they were read.
func (p *put) sumListing(t *Tree) error {
	h := sha256.New()
	for _, e := range t.Entries {
		mode := "644"
		if e.Exec {
			mode = "755"
		}
		fmt.Fprintf(h, "%s %s %s\n", p.listing[e.Path], mode, e.Path)
		p.size += e.Size
	}
	p.sum = ident.SHA256(h.Sum(nil))
	if !p.want.SHA256.IsZero() && p.sum != p.want.SHA256 {
		return p.want.mismatch("sha256", p.want.SHA256.String(), p.sum.String())
	}
	return nil
}

// treeOf lists a payload; hash digests one file and sees to its bytes.
func treeOf(ctx context.Context, a archive.Payload, hash func(archive.File, io.Reader) (ident.BlobID, error)) (*Tree, error) {
	t := &Tree{Entries: make([]Entry, 0, len(a.Files()))}
	err := a.Each(ctx, func(f archive.File, r io.Reader) error {
		id, err := hash(f, r)
		t.Entries = append(t.Entries, Entry{Path: f.Path, Exec: f.Exec, Size: f.Size, Blob: id})
		return err
	})
	t.sort()
	return t, err
}

// describe reads the package's own manifest and compares it with want. A package without a version is 0.0.0.
func describe(data []byte, want Want) (*Artifact, error) {
	m, err := manifest.ParsePackage(archive.Manifest, bytes.Clone(data))
	if err != nil {
		return nil, &archive.UnsafeError{Archive: want.label(), Reason: err.Error()}
	}
	a := &Artifact{Name: m.Name, Version: m.Version}
	written := m.Version.String()
	if m.Version.IsZero() {
		written = "0.0.0 (it has none)"
		if a.Version, err = ident.ParseVersion("0.0.0"); err != nil {
			return nil, err
		}
	}
	for _, d := range m.Dependencies {
		if d.Git != "" && !slices.Contains(want.Repositories, d.Git) { // an index cannot say so, and a package must not send its users to a repository
			return nil, &archive.UnsafeError{Archive: want.label(), Reason: fmt.Sprintf("its openpackage.yml needs %s from the git repository %s: a package of a registry may need packages of registries alone", d.Name, d.Git)}
		}
		if d.Path == "" {
			a.Dependencies = append(a.Dependencies, ident.Requirement{Name: d.Name, Range: d.Range})
		}
	}
	a.Dependencies = sortedDependencies(a.Dependencies)
	switch {
	case want.Name != "" && want.Name != a.Name:
		return nil, want.mismatch("name in openpackage.yml", string(want.Name), string(a.Name))
	case want.Tagged && !SameVersion(want.Version, a.Version), !want.Tagged && !want.Version.IsZero() && want.Version != a.Version:
		return nil, want.mismatch("version in openpackage.yml", want.Version.String(), written)
	case want.Dependencies != nil && !sameDependencies(want.Dependencies, a.Dependencies):
		return nil, want.mismatch("list of dependencies in openpackage.yml", DescribeDependencies(sortedDependencies(want.Dependencies)), DescribeDependencies(a.Dependencies))
	}
	return a, nil
}

// SameVersion reports whether a package of a git repository, whose own openpackage.yml says own (0.0.0 where it says none), can be locked
// as version: a tag's where it has none; else its own, or its own with the commit.
func SameVersion(version, own ident.Version) bool {
	none := own.Major() == 0 && own.Minor() == 0 && own.Patch() == 0 && own.Prerelease() == ""
	return version == own || version.IsGit() && version.Compare(own) == 0 || !version.IsGit() && none
}

// Inspect reads an artifact without storing it: for registry index. A regular *os.File is read in place, anything else
// into memory. source is for messages. The error is an *archive.UnsafeError or the reader's own.
func Inspect(ctx context.Context, source string, r io.Reader) (*Artifact, error) {
	p := &put{store: &Store{}, want: Want{Source: source}}
	if err := p.readAll(r); err != nil {
		return nil, err
	}
	a, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	art, err := describe(a.Manifest(), p.want)
	if err != nil {
		return nil, err
	}
	t, err := treeOf(ctx, a, func(f archive.File, r io.Reader) (ident.BlobID, error) {
		if f.Data != nil {
			return blake3.Sum256(f.Data), nil
		}
		id, _, err := hashReader(r, make([]byte, min(f.Size+1, hashBuffer)))
		return id, err
	})
	if err != nil {
		return nil, err
	}
	art.Size, art.SHA256, art.Tree = p.size, p.sum, t.ID()
	return art, nil
}

func size(n int64) string { return strconv.FormatInt(n, 10) }
