package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/openpackage/opkg/internal/archive"
)

// payload gives the files below a tree of a commit, with sizes, those of git-LFS in place of their pointers. What is small is read at
// once. about is for messages.
func (m *mirror) payload(ctx context.Context, about, commit, tree string) (*archive.Files, error) {
	list, err := m.walk(ctx, about, tree)
	if err != nil {
		return nil, err
	}
	p := &payload{mirror: m, about: about, ids: map[string]string{}, content: map[string][]byte{}, large: map[string]pointer{}}
	ids := make([]string, len(list))
	for i, f := range list {
		ids[i], p.ids[f.path] = f.id, f.id
	}
	if err := m.bring(ctx, commit, []string{tree}, ids); err != nil {
		return nil, err
	}
	files := &archive.Files{List: make([]archive.File, 0, len(list)), Read: p.read}
	err = m.read(ctx, ids, func(o object) error {
		f := list[len(files.List)]
		size, err := p.take(f, o)
		files.List = append(files.List, archive.File{Path: f.path, Exec: f.exec, Size: size})
		return err
	})
	if err != nil {
		return nil, err
	}
	return files, m.bringLarge(ctx, about, p.large)
}

// payload is where the bytes of files are.
type payload struct {
	mirror  *mirror
	about   string
	total   int64             // bytes of all files
	ids     map[string]string // blobs by path
	content map[string][]byte // by id, of small payloads; nil for others
	large   map[string]pointer
}

// take looks at a file once, and returns its size.
func (p *payload) take(f file, o object) (int64, error) {
	refuse := func(reason string) error {
		return &archive.UnsafeError{Archive: p.about, Entry: f.path, Reason: reason}
	}
	if o.kind != "blob" {
		return 0, refuse("it is a " + o.kind + ", and its tree says that it is a file")
	}
	if p.total += o.size; p.total > archive.MaxTotal || o.size > archive.MaxFile {
		return 0, refuse("files have more than " + fmt.Sprint(int64(archive.MaxTotal)) + " bytes together, or one has more than " + fmt.Sprint(int64(archive.MaxFile)))
	}
	if p.total > archive.InMemory {
		p.content = nil
	}
	if p.content == nil && o.size >= maxPointer {
		return o.size, nil
	}
	data, err := io.ReadAll(o.body)
	if err != nil {
		return 0, err
	}
	at, ok, err := parsePointer(data)
	if err != nil {
		return 0, refuse(err.Error())
	}
	if ok {
		p.large[f.path] = at
		return at.size, nil
	}
	if p.content != nil {
		p.content[o.id] = data
	}
	return o.size, nil
}

// read implements archive.Files.Read.
func (p *payload) read(ctx context.Context, list []archive.File, f func(archive.File, io.Reader) error) error {
	for len(list) > 0 {
		if at, ok := p.large[list[0].Path]; ok {
			err := p.mirror.readLarge(at, func(r io.Reader) error { return f(list[0], r) })
			if e := (*lyingError)(nil); errors.As(err, &e) {
				err = &archive.UnsafeError{Archive: p.about, Entry: list[0].Path, Reason: e.Error()}
			}
			if err != nil {
				return err
			}
			list = list[1:]
			continue
		}
		n := slices.IndexFunc(list, func(f archive.File) bool { _, ok := p.large[f.Path]; return ok })
		if n < 0 {
			n = len(list)
		}
		if err := p.readObjects(ctx, list[:n], f); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

func (p *payload) readObjects(ctx context.Context, list []archive.File, f func(archive.File, io.Reader) error) error {
	if p.content != nil {
		for _, file := range list {
			if err := f(file, bytes.NewReader(p.content[p.ids[file.Path]])); err != nil {
				return err
			}
		}
		return nil
	}
	ids := make([]string, len(list))
	for i, file := range list {
		ids[i] = p.ids[file.Path]
	}
	i := 0
	return p.mirror.read(ctx, ids, func(o object) error {
		i++
		return f(list[i-1], o.body)
	})
}

// gather fetches what the payloads below several trees of one commit need.
func (m *mirror) gather(ctx context.Context, about, commit string, trees []string) error {
	var ids []string
	for _, tree := range trees {
		list, err := m.walk(ctx, about, tree)
		if err != nil {
			return err
		}
		for _, f := range list {
			ids = append(ids, f.id)
		}
	}
	slices.Sort(ids)
	return m.bring(ctx, commit, trees, slices.Compact(ids))
}

// blobs reads regular files, by path, each of at most limit bytes. All stand below tree.
func (m *mirror) blobs(ctx context.Context, commit, tree string, files map[string]entry, limit int64) (map[string][]byte, error) {
	var ids []string
	paths := map[string]string{}
	for path, e := range files {
		if !e.isFile() {
			return nil, &archive.UnsafeError{Archive: m.url, Entry: path, Reason: "it is not a regular file"}
		}
		if _, twice := paths[e.id]; !twice {
			ids = append(ids, e.id)
		}
		paths[e.id] = path
	}
	slices.Sort(ids)
	if err := m.bring(ctx, commit, []string{tree}, ids); err != nil {
		return nil, err
	}
	out := make(map[string][]byte, len(ids))
	err := m.read(ctx, ids, func(o object) (err error) {
		if o.kind != "blob" || o.size > limit {
			return &archive.UnsafeError{Archive: m.url, Entry: paths[o.id], Reason: fmt.Sprintf("it has more than %d bytes", limit)}
		}
		out[o.id], err = io.ReadAll(o.body)
		return err
	})
	return out, err
}
