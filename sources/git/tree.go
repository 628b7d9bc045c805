package git

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/openpackage/opkg/internal/archive"
)

// maxTree bounds the trees and commits that are read whole, in bytes.
const maxTree = 64 << 20

// Modes of tree entries, as git writes them.
const (
	modeTree   = "40000"
	modeExec   = "100755"
	modeFile   = "100644"
	modeGroup  = "100664" // what git wrote long ago
	modeLink   = "120000"
	modeModule = "160000"
)

// entry is one entry of a tree.
type entry struct {
	mode, name, id string
}

func (e entry) isFile() bool { return e.mode == modeFile || e.mode == modeExec || e.mode == modeGroup }

// file is a file of a payload.
type file struct {
	path string
	exec bool
	id   string
}

func isID(s string) bool {
	if len(s) != 40 && len(s) != 64 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}

// parseTree reads a tree object; ids have idLen bytes.
func parseTree(data []byte, idLen int) ([]entry, error) {
	var list []entry
	for len(data) > 0 {
		head, rest, ok := bytes.Cut(data, []byte{0})
		mode, name, spaced := strings.Cut(string(head), " ")
		if !ok || !spaced || len(rest) < idLen || name == "" || strings.Contains(name, "/") {
			return nil, errors.New("a tree object is malformed")
		}
		list = append(list, entry{strings.TrimLeft(mode, "0"), name, hex.EncodeToString(rest[:idLen])})
		data = rest[idLen:]
	}
	return list, nil
}

// treeOfCommit finds the tree that a commit object names.
func treeOfCommit(data []byte) (string, error) {
	line, _, _ := strings.Cut(string(data[:min(len(data), 128)]), "\n")
	id, ok := strings.CutPrefix(line, "tree ")
	if !ok || !isID(id) {
		return "", errors.New("a commit object is malformed")
	}
	return id, nil
}

// verifier reads an object and fails at its end if it does not have the name that it came under.
type verifier struct {
	object
	h hash.Hash
	n int64
}

// verified wraps an object.
func verified(o object) *verifier {
	v := &verifier{object: o, h: sha1.New()}
	if len(o.id) == 64 {
		v.h = sha256.New()
	}
	fmt.Fprintf(v.h, "%s %d\x00", o.kind, o.size)
	return v
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.body.Read(p)
	v.h.Write(p[:n])
	v.n += int64(n)
	if err == io.EOF && (v.n != v.size || hex.EncodeToString(v.h.Sum(nil)) != v.id) {
		return n, fmt.Errorf("%w: %s does not hold what its name says", errMissing, v.id)
	}
	return n, err
}

// readAll reads a small object whole.
func (m *mirror) readAll(ctx context.Context, kind string, ids []string) (map[string][]byte, error) {
	out := make(map[string][]byte, len(ids))
	total := int64(0)
	err := m.read(ctx, ids, func(o object) error {
		if o.kind != kind {
			return fmt.Errorf("%s is a %s, expected a %s", o.id, o.kind, kind)
		}
		if total += o.size; total > maxTree {
			return &archive.UnsafeError{Archive: m.url, Reason: fmt.Sprintf("its %ss have more than %d bytes together", kind, maxTree)}
		}
		data, err := io.ReadAll(o.body)
		out[o.id] = data
		return err
	})
	return out, err
}

// trees reads and parses trees. Those that were read are remembered.
func (m *mirror) trees(ctx context.Context, ids []string) (map[string][]entry, error) {
	out := make(map[string][]entry, len(ids))
	var missing []string
	m.mu.Lock()
	for _, id := range ids {
		if list, ok := m.known[id]; ok {
			out[id] = list
		} else if _, twice := out[id]; !twice {
			out[id] = nil
			missing = append(missing, id)
		}
	}
	m.mu.Unlock()
	data, err := m.readAll(ctx, "tree", missing)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, d := range data {
		list, err := parseTree(d, len(id)/2)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		out[id], m.known[id] = list, list
	}
	return out, nil
}

// root is the tree of a commit.
func (m *mirror) root(ctx context.Context, commit string) (string, error) {
	data, err := m.readAll(ctx, "commit", []string{commit})
	if err != nil {
		return "", err
	}
	return treeOfCommit(data[commit])
}

// find follows a clean, slash-separated path from a tree; "" is the tree itself. ok is false where there is no such entry.
func (m *mirror) find(ctx context.Context, tree, path string) (e entry, ok bool, err error) {
	e = entry{mode: modeTree, id: tree}
	if path == "" {
		return e, true, nil
	}
	for part := range strings.SplitSeq(path, "/") {
		if e.mode != modeTree {
			return e, false, nil
		}
		lists, err := m.trees(ctx, []string{e.id})
		if err != nil {
			return e, false, err
		}
		if e, ok = child(lists[e.id], part); !ok {
			return e, false, nil
		}
	}
	return e, true, nil
}

func child(list []entry, name string) (entry, bool) {
	for _, e := range list {
		if e.name == name {
			return e, true
		}
	}
	return entry{}, false
}

// walk lists the payload below a tree: regular files, without what archive.Dropped drops. about is for messages.
func (m *mirror) walk(ctx context.Context, about, tree string) ([]file, error) {
	type dir struct{ path, id string }
	refuse := func(path, reason string) error {
		return &archive.UnsafeError{Archive: about, Entry: path, Reason: reason}
	}
	var files []file
	dirs := 0
	for level := []dir{{"", tree}}; len(level) > 0; {
		ids := make([]string, len(level))
		for i, d := range level {
			ids[i] = d.id
		}
		lists, err := m.trees(ctx, ids)
		if err != nil {
			return nil, err
		}
		var next []dir
		for _, d := range level {
			for _, e := range lists[d.id] {
				path := d.path + e.name
				switch {
				case e.mode == modeTree && archive.Dropped(path+"/x"):
					continue
				case e.mode == modeTree:
					if err := archive.CheckPath(path); err != nil {
						return nil, refuse(path, err.(*archive.UnsafeError).Reason)
					}
					if dirs++; dirs > archive.MaxDirectories {
						return nil, refuse("", "there are more than 100,000 directories")
					}
					next = append(next, dir{path + "/", e.id})
				case archive.Dropped(path):
					continue
				case e.mode == modeLink:
					return nil, refuse(path, "it is a symbolic link, and a package holds regular files alone")
				case e.mode == modeModule:
					return nil, refuse(path, "it is a submodule, and a package holds regular files alone")
				case !e.isFile():
					return nil, refuse(path, "it is not a regular file")
				default:
					if len(files) == archive.MaxEntries {
						return nil, refuse("", fmt.Sprintf("it has more than %d files", archive.MaxEntries))
					}
					files = append(files, file{path, e.mode == modeExec, e.id})
				}
			}
		}
		level = next
	}
	return files, nil
}

// readBounded reads a tree or commit whole.
func readBounded(r io.Reader, size int64) ([]byte, error) {
	if size > maxTree {
		return nil, fmt.Errorf("an object has %d bytes, more than %d", size, maxTree)
	}
	return io.ReadAll(io.LimitReader(r, size))
}
