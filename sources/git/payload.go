package git

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/openpackage/opkg/internal/archive"
)

// maxPointer is the size of the largest git-LFS pointer, in bytes, by its specification.
const maxPointer = 1024

// isPointer reports whether a file is a git-LFS pointer: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md.
func isPointer(data []byte) bool {
	return len(data) < maxPointer && bytes.HasPrefix(data, []byte("version https://git-lfs.github.com/spec/")) && bytes.Contains(data, []byte("\noid "))
}

// payload gives the files below a tree of a commit, with sizes. What is small is read at once. about is for messages.
func (m *mirror) payload(ctx context.Context, about, commit, tree string) (*archive.Files, error) {
	list, err := m.walk(ctx, about, tree)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(list))
	byPath := make(map[string]string, len(list))
	for i, f := range list {
		ids[i], byPath[f.path] = f.id, f.id
	}
	if err := m.bring(ctx, commit, []string{tree}, ids); err != nil {
		return nil, err
	}
	files := &archive.Files{List: make([]archive.File, len(list))}
	content := map[string][]byte{}
	total, i := int64(0), 0
	err = m.read(ctx, ids, func(o object) error {
		f := list[i]
		files.List[i] = archive.File{Path: f.path, Exec: f.exec, Size: o.size}
		i++
		total += o.size
		if o.kind != "blob" {
			return fmt.Errorf("%s is a %s, expected a blob", o.id, o.kind)
		}
		if total > archive.InMemory && o.size >= maxPointer {
			clear(content)
			return nil
		}
		data, err := io.ReadAll(o.body)
		if isPointer(data) {
			return &archive.UnsafeError{Archive: about, Entry: f.path, Reason: "it is a git-LFS pointer: the file itself is not in the repository, and this opkg does not fetch it"}
		}
		content[o.id] = data
		return err
	})
	if err != nil {
		return nil, err
	}
	inMemory := total <= archive.InMemory
	files.Read = func(ctx context.Context, part []archive.File, f func(archive.File, io.Reader) error) error {
		if inMemory {
			for _, file := range part {
				if err := f(file, bytes.NewReader(content[byPath[file.Path]])); err != nil {
					return err
				}
			}
			return nil
		}
		ids := make([]string, len(part))
		for i, file := range part {
			ids[i] = byPath[file.Path]
		}
		i := 0
		return m.read(ctx, ids, func(o object) error {
			i++
			return f(part[i-1], o.body)
		})
	}
	return files, nil
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
