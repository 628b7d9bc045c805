package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/internal/transport"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// Bounds of an archive whose size the index does not say, in bytes.
const (
	MaxArtifact        = 4 << 30   // where the server says it
	MaxUnsizedArtifact = 256 << 20 // where the server does not say it either
)

// MaxAge bounds how long an index is used without asking again, whatever Cache-Control says.
const MaxAge = time.Hour

// Options of New.
type Options struct {
	Client        *transport.Client
	Auth          *auth.Store // nil: no credentials
	ArtifactHosts []string    // the user's: see origin.HostIn
}

// Source is one static HTTP registry. It implements sources.Source and sources.Revalidator.
type Source struct {
	id    ident.SourceID
	base  *url.URL
	hosts []string
	creds *auth.Credentials
	site  *transport.Site
}

// New prepares to talk to a registry. Nothing is sent yet. The error is a *config.Error for what the registry's entry
// in config.yml cannot mean, or the auth room's for credentials that cannot be read.
func New(reg config.Registry, opt Options) (*Source, error) {
	fault := func(file string, line int, err error) error {
		return &config.Error{File: file, Line: line, Msg: fmt.Sprintf("registry %s: %v", reg.Source, err), HintText: sources.HintOf(err)}
	}
	base, err := origin.ParseURL(reg.Source.URL())
	if err != nil {
		return nil, fault(reg.File, reg.Line, err)
	}
	s := &Source{id: reg.Source, base: base, hosts: opt.ArtifactHosts}
	if opt.Auth != nil {
		if s.creds, err = opt.Auth.For(reg); err != nil {
			return nil, err
		}
	}
	s.site, err = opt.Client.Site(transport.SiteOptions{Base: base, Authorize: s.creds.Apply, CAFile: reg.CAFile, Insecure: reg.Insecure, Hosts: opt.ArtifactHosts})
	var refused *transport.RefusedError
	switch {
	case errors.As(err, &refused), err != nil && reg.CAFrom == "":
		return nil, fault(reg.File, reg.Line, err)
	case err != nil:
		return nil, fault(reg.CAFrom, reg.CALine, err)
	}
	return s, nil
}

// Close drops idle connections.
func (s *Source) Close() error {
	s.site.Close()
	return nil
}

// ID implements sources.Source.
func (s *Source) ID() ident.SourceID { return s.id }

// List implements sources.Source.
func (s *Source) List(ctx context.Context, name ident.Name) (*registry.Index, error) {
	doc, err := s.Fetch(ctx, name, sources.FetchOptions{})
	if err != nil {
		return nil, err
	}
	return s.Parse(name, doc.Data)
}

// Fetch implements sources.Revalidator.
func (s *Source) Fetch(ctx context.Context, name ident.Name, opt sources.FetchOptions) (*sources.Document, error) {
	got, err := s.site.Get(ctx, s.indexURL(name), transport.GetOptions{
		Accept: "application/json", IfNoneMatch: opt.ETag, NoCache: opt.NoCache, MaxSize: registry.MaxIndexSize})
	if err != nil {
		return nil, s.explain(err, sources.Ref{Name: name})
	}
	return document(got), nil
}

func document(got *transport.Document) *sources.Document {
	doc := &sources.Document{Data: got.Body, NotModified: got.NotModified, ETag: got.Header.Get("ETag")}
	doc.MaxAge, doc.NoStore = freshness(got.Header)
	return doc
}

// Probe asks for the index of a name that nobody needs to have, to learn whether the registry answers at all. date is the time by its
// clock, zero where it does not say. Errors as of List, but a *sources.NotFoundError: that is an answer.
func (s *Source) Probe(ctx context.Context) (date time.Time, err error) {
	got, err := s.site.Get(ctx, s.indexURL(probed), transport.GetOptions{Accept: "application/json", NoCache: true, MaxSize: registry.MaxIndexSize})
	var status *transport.StatusError
	switch {
	case err == nil:
		date, _ = http.ParseTime(got.Header.Get("Date"))
		return date, nil
	case errors.As(err, &status) && status.Status == http.StatusNotFound:
		return status.Date, nil
	}
	return date, s.explain(err, sources.Ref{Name: probed})
}

// probed is what Probe asks for.
const probed ident.Name = "opkg-doctor"

// Credentials are what is sent to this registry.
func (s *Source) Credentials() *auth.Credentials { return s.creds }

// Parse implements sources.Revalidator.
func (s *Source) Parse(name ident.Name, data []byte) (*registry.Index, error) {
	file := s.indexURL(name).String()
	ix, err := registry.ParseIndex(file, name, data)
	if err != nil {
		return nil, err
	}
	for i := range ix.Releases {
		r := &ix.Releases[i]
		if r.Artifact, err = s.resolve(name, r.Artifact); err != nil {
			return nil, &registry.Error{File: file, Msg: fmt.Sprintf("the tarball of version %s: %v", r.Version, err)}
		}
	}
	return ix, nil
}

func (s *Source) resolve(name ident.Name, ref string) (string, error) {
	artifact, err := sources.Resolve(s.base, name, ref)
	if err != nil || !strings.Contains(artifact, "://") {
		return artifact, err
	}
	u, err := origin.ParseURL(artifact)
	if err != nil {
		return "", err
	}
	return artifact, sources.CheckForeign(s.base, u, s.hosts)
}

func (s *Source) indexURL(name ident.Name) *url.URL { return s.base.JoinPath(registry.IndexPath(name)) }

// Open implements sources.Source.
func (s *Source) Open(ctx context.Context, ref sources.Ref) (*sources.Artifact, error) {
	u, err := s.artifactURL(ref.Artifact)
	if err != nil {
		return nil, &sources.NotAllowedError{Name: ref.Name, Target: origin.Quote(ref.Artifact), Reason: err.Error()}
	}
	body, err := s.site.Download(ctx, u, transport.DownloadOptions{Size: ref.Size, MaxSize: MaxArtifact, MaxUnsized: MaxUnsizedArtifact})
	if err != nil {
		return nil, s.explain(err, ref)
	}
	return &sources.Artifact{Archive: &artifact{ReadCloser: body, source: s, ref: ref}}, nil
}

func (s *Source) artifactURL(artifact string) (*url.URL, error) {
	if !strings.Contains(artifact, "://") {
		return s.base.JoinPath(artifact), sources.CheckPath(artifact)
	}
	u, err := origin.ParseURL(artifact)
	if err != nil {
		return nil, err
	}
	return u, sources.CheckForeign(s.base, u, s.hosts)
}

// artifact is an archive on its way, its errors in the words of package sources.
type artifact struct {
	io.ReadCloser
	source *Source
	ref    sources.Ref
}

func (a *artifact) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = a.source.explain(err, a.ref)
	}
	return n, err
}

// explain puts an error of the transport into the words of package sources. A zero ref.Version stands for the index.
func (s *Source) explain(err error, ref sources.Ref) error {
	var (
		status  *transport.StatusError
		refused *transport.RefusedError
		large   *transport.TooLargeError
		size    *transport.SizeError
		changed *transport.ChangedError
		network *transport.NetworkError
	)
	switch {
	case errors.As(err, &status):
		switch status.Status {
		case http.StatusNotFound:
			return &sources.NotFoundError{Name: ref.Name, Version: ref.Version, Asked: []string{string(s.id)}}
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
			return s.creds.Refused(status.Origin, status.URL, status.Status)
		}
		return &sources.UnavailableError{Source: s.id, Err: err}
	case errors.As(err, &refused):
		return &sources.NotAllowedError{Name: ref.Name, Target: refused.Target, HintText: refused.Hint(),
			Reason: fmt.Sprintf("%s (%s points there)", refused.Reason, refused.From)}
	case errors.As(err, &large):
		return &registry.Error{File: large.URL, Msg: fmt.Sprintf("it has more than %d bytes", large.Limit)}
	case errors.As(err, &size):
		got := strconv.FormatInt(size.Got, 10)
		if size.AtLeast {
			got += " or more"
		}
		return &ident.MismatchError{Name: ref.Name, Version: ref.Version, Source: size.URL, What: "size", Want: strconv.FormatInt(size.Want, 10), Got: got}
	case errors.As(err, &changed), errors.As(err, &network):
		return &sources.UnavailableError{Source: s.id, Err: err}
	}
	return err
}

// freshness reads how long an index may be used without asking, and whether it may be kept at all (RFC 9111, for
// a private cache).
func freshness(h http.Header) (maxAge time.Duration, noStore bool) {
	var age, lifetime int64
	stale := false
	for _, line := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(name) {
			case "no-store":
				noStore = true
			case "no-cache":
				stale = true
			case "max-age":
				lifetime, _ = strconv.ParseInt(strings.Trim(value, `"`), 10, 64)
			}
		}
	}
	age, _ = strconv.ParseInt(h.Get("Age"), 10, 64)
	if stale || noStore || lifetime <= 0 || age < 0 || age >= lifetime {
		return 0, noStore
	}
	return min(time.Duration(min(lifetime-age, int64(MaxAge/time.Second)))*time.Second, MaxAge), noStore
}
