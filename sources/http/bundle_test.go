package http

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/transport"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

func TestBundle(t *testing.T) {
	text := registry.FormatBundle([]registry.Bundled{{Name: "a", Data: []byte(`{"name": "a", "versions": {}}`)}})
	packed, err := archive.Gzip(text)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		body     []byte
		encoding string
		most     int64
		status   int
		fails    func(error) bool
	}{
		"as it is":           {body: packed, most: 1 << 20},
		"of that very size":  {body: packed, most: int64(len(packed))},
		"with its encoding":  {body: packed, encoding: "gzip", most: 1 << 20},
		"more than expected": {body: packed, most: int64(len(packed)) - 1, fails: func(err error) bool { return !isRegistryError(err) }},
		"damaged":            {body: packed[:len(packed)-3], most: 1 << 20, fails: isRegistryError},
		"missing":            {status: http.StatusNotFound, most: 1 << 20, fails: func(err error) bool { return errors.As(err, new(*sources.NotFoundError)) }},
		"broken":             {status: http.StatusServiceUnavailable, most: 1 << 20, fails: func(err error) bool { return errors.As(err, new(*sources.UnavailableError)) }},
	} {
		asked := 0
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			if r.URL.Path != "/opkg/indexes.gz" {
				t.Errorf("asked for %s", r.URL)
			}
			w.Header().Set("ETag", `"a"`)
			switch {
			case c.status != 0:
				http.Error(w, "no", c.status)
				return
			case r.Header.Get("If-None-Match") == `"a"`:
				w.WriteHeader(http.StatusNotModified)
				return
			case c.encoding != "":
				w.Header().Set("Content-Encoding", c.encoding)
			}
			_, _ = w.Write(c.body)
		}))
		s := sourceAt(t, srv.URL+"/opkg/", config.Registry{}, Options{Client: transport.New(transport.Options{UserAgent: "opkg/test"})})
		doc, err := s.FetchBundle(context.Background(), sources.FetchOptions{}, c.most)
		switch {
		case c.fails != nil && (err == nil || !c.fails(err)):
			t.Errorf("%s: %v", what, err)
		case c.fails == nil && (err != nil || !bytes.Equal(doc.Data, text) || doc.ETag != `"a"`):
			t.Errorf("%s: %v, %v", what, doc, err)
		}
		if asked != 1 {
			t.Errorf("%s: asked %d times", what, asked)
		}
		if c.fails == nil {
			if doc, err := s.FetchBundle(context.Background(), sources.FetchOptions{ETag: `"a"`}, c.most); err != nil || !doc.NotModified {
				t.Errorf("%s: asked again: %v, %v", what, doc, err)
			}
		}
		srv.Close()
	}
}

func isRegistryError(err error) bool { return errors.As(err, new(*registry.Error)) }
