package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/held"
	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/internal/transport"
	"github.com/openpackage/opkg/sources"
)

// A file that git-LFS keeps is a pointer in the repository, by the specification at
// https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md. The file itself is asked for by the batch API of docs/api/batch.md there, with the basic transfer.

// Limits of LFS.
const (
	maxPointer  = 1024     // bytes of a pointer
	maxBatch    = 100      // objects of one request
	maxAnswer   = 16 << 20 // bytes of an answer of the batch API
	lfsParallel = 4        // files under way at once
	lfsType     = "application/vnd.git-lfs+json"
)

// pointer stands for a file that git-LFS keeps.
type pointer struct {
	oid  string // hex SHA-256
	size int64
}

// parsePointer reads a pointer. ok is false where the file is none; a pointer that cannot be followed is an error.
func parsePointer(data []byte) (p pointer, ok bool, err error) {
	first, rest, _ := strings.Cut(string(data[:min(len(data), maxPointer)]), "\n")
	if len(data) >= maxPointer || first != "version https://git-lfs.github.com/spec/v1" && first != "version https://hawser.github.com/spec/v1" {
		return p, false, nil
	}
	for line := range strings.Lines(rest) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch {
		case strings.HasPrefix(key, "ext-"):
			return p, true, errors.New("it is a git-LFS pointer with the extension " + key + ", which opkg does not know")
		case key == "oid":
			p.oid = strings.TrimPrefix(value, "sha256:")
		case key == "size":
			if p.size, err = strconv.ParseInt(value, 10, 64); err != nil {
				p.size = -1
			}
		}
	}
	if _, err := hex.DecodeString(p.oid); err != nil || len(p.oid) != 64 || p.oid != strings.ToLower(p.oid) || p.size < 0 {
		return p, true, errors.New("it is a git-LFS pointer without a sha256 and a size")
	}
	return p, true, nil
}

// largePath is where the mirror keeps a file of git-LFS.
func (m *mirror) largePath(p pointer) string { return filepath.Join(m.base()+".lfs", p.oid) }

// openLarge opens a file of git-LFS that the mirror has, or the repository itself if it is a directory of this machine.
func (m *mirror) openLarge(p pointer) (*os.File, error) {
	paths := []string{m.largePath(p)}
	if m.remote.isLocal() {
		if dir, err := localDir(m.remote); err == nil {
			sub := filepath.Join("lfs", "objects", p.oid[:2], p.oid[2:4], p.oid)
			paths = append(paths, filepath.Join(dir, ".git", sub), filepath.Join(dir, sub))
		}
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() && fi.Size() == p.size {
			return f, nil
		}
		f.Close()
	}
	return nil, os.ErrNotExist
}

// largeReader reads a file and fails at its end if it is not what the pointer says.
type largeReader struct {
	pointer
	r io.Reader
	h hash.Hash
}

func (l *largeReader) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	l.h.Write(b[:n])
	if err == io.EOF && hex.EncodeToString(l.h.Sum(nil)) != l.oid {
		return n, &lyingError{l.pointer}
	}
	return n, err
}

// largeError is a file of git-LFS that cannot be had.
type largeError struct {
	pointer
	err error
}

func (e *largeError) Error() string { return e.err.Error() }
func (e *largeError) Unwrap() error { return e.err }

// lyingError is a file of git-LFS that is not what its pointer says.
type lyingError struct{ pointer }

func (e *lyingError) Error() string {
	return fmt.Sprintf("git-LFS has other bytes than those of sha256 %s and size %d, which its pointer names", e.oid, e.size)
}

// readLarge calls f with the content behind a pointer.
func (m *mirror) readLarge(p pointer, f func(io.Reader) error) error {
	file, err := m.openLarge(p)
	if err != nil {
		return fmt.Errorf("%w: git-LFS %s", errMissing, p.oid)
	}
	defer file.Close()
	r := &largeReader{p, file, sha256.New()}
	if err := f(r); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

// bringLarge makes sure that the mirror has what pointers, by path, stand for. about is for messages.
func (m *mirror) bringLarge(ctx context.Context, about string, pointers map[string]pointer) error {
	var want []pointer
	paths := map[pointer]string{}
	for path, p := range pointers {
		if f, err := m.openLarge(p); err == nil {
			f.Close()
			continue
		}
		if _, twice := paths[p]; !twice {
			want = append(want, p)
		}
		if was := paths[p]; was == "" || path < was {
			paths[p] = path
		}
	}
	if len(want) == 0 {
		return nil
	}
	slices.SortFunc(want, func(a, b pointer) int { return strings.Compare(paths[a], paths[b]) })
	where := func(p pointer) string { return about + ": " + strconv.QuoteToGraphic(paths[p]) }
	if m.host.opt.Offline {
		return m.offline(where(want[0]) + " is kept by git-LFS and not in the cache")
	}
	l, err := m.lfs()
	if err != nil {
		return m.withoutLarge(where(want[0]), err)
	}
	defer l.site.Close()
	for part := range slices.Chunk(want, maxBatch) {
		if err := l.fetch(ctx, part); err != nil {
			var lying *lyingError
			var of *largeError
			var status *transport.StatusError
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case errors.As(err, &lying):
				return &archive.UnsafeError{Archive: about, Entry: paths[lying.pointer], Reason: err.Error()}
			case errors.As(err, &status) && (status.Status == http.StatusUnauthorized || status.Status == http.StatusForbidden):
				return m.creds.Refused(l.base, l.endpoint.String(), status.Status)
			case errors.As(err, &of):
				return m.withoutLarge(where(of.pointer), err)
			}
			return m.withoutLarge(where(part[0]), err)
		}
	}
	return nil
}

func (m *mirror) withoutLarge(where string, err error) error {
	return &sources.UnavailableError{Source: ident.SourceID(m.url), Err: sources.WithHint(fmt.Errorf("%s is kept by git-LFS, which does not give it: %w", where, err),
		"only a pointer to the file is in the repository: ask its owner to push the file to the host's LFS store, or to keep it in git")}
}

// lfsClient speaks with the LFS server of a repository.
type lfsClient struct {
	m        *mirror
	endpoint *url.URL
	base     origin.Origin
	site     *transport.Site

	user, password string // of the user's own credential helpers
}

// batch asks where objects are. A server that refuses whoever sends nothing is asked again with what git's credential helpers know.
func (l *lfsClient) batch(ctx context.Context, body []byte) ([]byte, error) {
	data, err := l.site.Post(ctx, l.endpoint, lfsType, body, maxAnswer)
	var status *transport.StatusError
	if !errors.As(err, &status) || status.Status != http.StatusUnauthorized || len(l.m.remote.headers) > 0 || l.password != "" {
		return data, err
	}
	if c, ok := l.m.host.choose(ctx).(credentialer); ok {
		if l.user, l.password, ok = c.credential(ctx, remote{}, l.endpoint.String()); ok {
			return l.site.Post(ctx, l.endpoint, lfsType, body, maxAnswer)
		}
	}
	return data, err
}

// lfs finds the server: <repository>.git/info/lfs over https, on the host of a repository that is reached by ssh too.
func (m *mirror) lfs() (*lfsClient, error) {
	text := m.remote.url
	if m.remote.isLocal() {
		return nil, errors.New("it is not in the repository's directory lfs/objects")
	}
	if m.host.opt.Client == nil {
		return nil, errors.New("there is no HTTP client")
	}
	if rest, ok := strings.CutPrefix(text, "ssh://"); ok {
		u, err := url.Parse(text)
		if err != nil {
			return nil, err
		}
		_, path, _ := strings.Cut(rest, "/")
		text = "https://" + u.Hostname() + "/" + path
	} else if !strings.Contains(text, "://") { // user@host:path
		host, path, _ := strings.Cut(text[strings.LastIndexByte(text, '@')+1:], ":")
		text = "https://" + host + "/" + strings.TrimPrefix(path, "/")
	}
	if !strings.HasSuffix(text, ".git") {
		text += ".git"
	}
	u, err := origin.ParseURL(text + "/info/lfs/objects/batch")
	if err != nil {
		return nil, err
	}
	l := &lfsClient{m: m, endpoint: u, base: origin.Of(u)}
	l.site, err = m.host.opt.Client.Site(transport.SiteOptions{Base: u, CAFile: m.remote.caFile, Authorize: func(r *http.Request) {
		for _, h := range m.remote.headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
		}
		if l.password != "" {
			r.SetBasicAuth(l.user, l.password)
		}
	}})
	return l, err
}

// lfsObject is an object of the batch API.
type lfsObject struct {
	OID     string `json:"oid"`
	Size    int64  `json:"size"`
	Actions struct {
		Download struct {
			Href   string            `json:"href"`
			Header map[string]string `json:"header"`
		} `json:"download"`
	} `json:"actions,omitzero"`
	Error struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error,omitzero"`
}

// fetch asks where objects are, and gets them.
func (l *lfsClient) fetch(ctx context.Context, want []pointer) error {
	request := struct {
		Operation string      `json:"operation"`
		Transfers []string    `json:"transfers"`
		Objects   []lfsObject `json:"objects"`
		HashAlgo  string      `json:"hash_algo"`
	}{Operation: "download", Transfers: []string{"basic"}, HashAlgo: "sha256"}
	for _, p := range want {
		request.Objects = append(request.Objects, lfsObject{OID: p.oid, Size: p.size})
	}
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	data, err := l.batch(ctx, body)
	if err != nil {
		return err
	}
	var answer struct {
		Transfer string      `json:"transfer"`
		Objects  []lfsObject `json:"objects"`
	}
	if err := json.Unmarshal(data, &answer); err != nil || answer.Transfer != "" && answer.Transfer != "basic" {
		return errors.New("the answer of the LFS server is malformed")
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(lfsParallel)
	for _, p := range want {
		i := slices.IndexFunc(answer.Objects, func(o lfsObject) bool { return o.OID == p.oid })
		switch {
		case i < 0:
			return &largeError{p, fmt.Errorf("the LFS server says nothing of sha256 %s", p.oid)}
		case answer.Objects[i].Error.Code != 0:
			e := answer.Objects[i].Error
			return &largeError{p, fmt.Errorf("the LFS server says %d %q of sha256 %s", e.Code, e.Message, p.oid)}
		case answer.Objects[i].Size != p.size:
			return &lyingError{p}
		}
		action := answer.Objects[i].Actions.Download
		g.Go(func() error {
			err := l.download(gctx, p, action.Href, action.Header)
			if size := (*transport.SizeError)(nil); errors.As(err, &size) {
				return &lyingError{p}
			}
			if err != nil {
				return &largeError{p, err}
			}
			return nil
		})
	}
	return g.Wait()
}

// download gets one object into the mirror. Its headers go to the origin of href alone.
func (l *lfsClient) download(ctx context.Context, p pointer, href string, header map[string]string) error {
	u, err := origin.ParseURL(href)
	if err != nil {
		return err
	}
	opt := transport.SiteOptions{Base: u, NamedBy: l.site, Authorize: func(r *http.Request) {
		for name, value := range header {
			r.Header.Set(name, value)
		}
	}}
	if origin.Of(u) == l.base {
		opt.CAFile = l.m.remote.caFile
	} else if err := sources.CheckForeign(l.endpoint, u, nil); err != nil {
		return err
	}
	site, err := l.m.host.opt.Client.Site(opt)
	if err != nil {
		return err
	}
	defer site.Close()
	body, err := site.Download(ctx, u, transport.DownloadOptions{Size: p.size, MaxSize: archive.MaxFile})
	if err != nil {
		return err
	}
	defer body.Close()
	return l.m.keepLarge(p, body)
}

// keepLarge puts a file of git-LFS into the mirror, whole and verified or not at all.
func (m *mirror) keepLarge(p pointer, body io.Reader) error {
	path := m.largePath(p)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*") // opkg gc knows the name, should a kill leave the file
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	n, err := io.Copy(f, &largeReader{p, body, sha256.New()})
	if err == nil {
		err = f.Sync() // a size is all that a later run looks at before it reads
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil && n != p.size {
		err = &lyingError{p}
	}
	if err != nil {
		return err
	}
	return held.Retry(func() error { return os.Rename(f.Name(), path) })
}
