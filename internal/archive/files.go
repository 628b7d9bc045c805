package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// Files is a package as files that stand somewhere else than in an archive: in the objects of a git repository.
type Files struct {
	List []File // in any order, with sizes and without Data
	// Read calls f for each file of list, which is a part of List, in the order of list. f need not read all of a file. It must
	// not be called by two at once.
	Read func(ctx context.Context, list []File, f func(File, io.Reader) error) error
}

// Payload is a package that was checked whole: by Unpacker.Open, or by Collect.
type Payload interface {
	Files() []File    // without what Dropped drops
	Manifest() []byte // of openpackage.yml, valid until Close
	// Each calls f for every file. The reader is valid during the call; f need not read all of it.
	Each(ctx context.Context, f func(File, io.Reader) error) error
	Close()
}

// collected is the Payload of Files.
type collected struct {
	files    []File
	manifest []byte
	read     func(ctx context.Context, list []File, f func(File, io.Reader) error) error
}

// Collect checks files as Open checks an archive: names, sizes, that there is an openpackage.yml. Up to InMemory bytes are read
// at once. name is for messages. The error is an *UnsafeError, the context's, or that of src.Read.
func Collect(ctx context.Context, name string, src Files) (Payload, error) {
	c := &collected{read: src.Read}
	err := c.check(ctx, src.List)
	if err != nil {
		return nil, about(err, name, "")
	}
	return c, nil
}

func (c *collected) check(ctx context.Context, list []File) error {
	if len(list) > MaxEntries {
		return unsafef("it has more than %d files", MaxEntries)
	}
	var names NameSet
	var total int64
	at := -1
	for _, f := range list {
		if Dropped(f.Path) {
			continue
		}
		if err := CheckPath(f.Path); err != nil {
			return err
		}
		if err := names.Add(f.Path, false); err != nil {
			return about(err, "", f.Path)
		}
		if f.Size < 0 || f.Size > MaxFile {
			return &UnsafeError{Entry: f.Path, Reason: fmt.Sprintf("it has more than %d bytes", int64(MaxFile))}
		}
		if total += f.Size; total > MaxTotal {
			return unsafef("its files have more than %d bytes together", int64(MaxTotal))
		}
		if f.Path == Manifest {
			at = len(c.files)
		}
		c.files = append(c.files, f)
	}
	if at < 0 {
		return unsafef("it holds no %s", Manifest)
	}
	if n := c.files[at].Size; n > MaxManifestBytes {
		return &UnsafeError{Entry: Manifest, Reason: fmt.Sprintf("it has %d bytes, more than %d", n, MaxManifestBytes)}
	}
	part := c.files
	if total > InMemory {
		part = c.files[at : at+1]
	}
	data := make([][]byte, 0, len(part))
	err := c.readExactly(ctx, part, func(f File, r io.Reader) (err error) {
		b := make([]byte, f.Size)
		if _, err = io.ReadFull(r, b); err == nil {
			data = append(data, b)
		}
		return err
	})
	if err != nil {
		return err
	}
	if total > InMemory {
		c.manifest = data[0]
		return nil
	}
	for i := range c.files {
		c.files[i].Data = data[i]
	}
	c.manifest = data[at]
	return nil
}

// readExactly reads list, and fails where a file does not have the size that it must have.
func (c *collected) readExactly(ctx context.Context, list []File, f func(File, io.Reader) error) error {
	n := 0
	err := c.read(ctx, list, func(got File, r io.Reader) error {
		if n == len(list) || got.Path != list[n].Path {
			return fmt.Errorf("%q came unasked", got.Path)
		}
		n++
		body := &io.LimitedReader{R: r, N: got.Size + 1}
		if err := f(got, body); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, body)
		if err == nil && body.N != 1 {
			err = &UnsafeError{Entry: got.Path, Reason: fmt.Sprintf("it does not have %d bytes", got.Size)}
		}
		return err
	})
	if err == nil && n < len(list) {
		err = fmt.Errorf("%q did not come", list[n].Path)
	}
	return err
}

func (c *collected) Files() []File    { return c.files }
func (c *collected) Manifest() []byte { return c.manifest }
func (c *collected) Close()           {}

func (c *collected) Each(ctx context.Context, f func(File, io.Reader) error) error {
	if len(c.files) > 0 && c.files[0].Data == nil {
		return c.readExactly(ctx, c.files, f)
	}
	for _, file := range c.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f(file, bytes.NewReader(file.Data)); err != nil {
			return err
		}
	}
	return nil
}
