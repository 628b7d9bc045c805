package transport

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/openpackage/opkg/internal/origin"
)

// DownloadOptions of Download.
type DownloadOptions struct {
	Size       int64 // what the file must have, in bytes; 0: not known
	MaxSize    int64 // bound where Size is not known, in bytes
	MaxUnsized int64 // bound where the server does not say how long its answer is either, in bytes
}

// Download opens a file that may be large. A break is mended inside Read. Errors, of both: *StatusError, *NetworkError,
// *RefusedError, *SizeError, *TooLargeError, *ChangedError. Close ends it at any time.
func (s *Site) Download(ctx context.Context, u *url.URL, opt DownloadOptions) (io.ReadCloser, error) {
	d := &download{site: s, ctx: ctx, url: u, opt: opt, tries: tries{site: s, url: u}}
	if err := d.open(); err != nil {
		return nil, err
	}
	return d, nil
}

// download is a file on its way.
type download struct {
	site *Site
	ctx  context.Context
	url  *url.URL
	opt  DownloadOptions

	tries     tries
	ans       *answer      // under way; nil: broken off
	size      int64        // of the whole file, when it is known; else 0
	offset    int64        // bytes handed out
	sum       maphash.Hash // of them
	validator string       // for If-Range: a strong ETag, or a date; "": ask for the whole
	err       error        // what every further Read returns
}

func (d *download) Read(p []byte) (int, error) {
	for d.err == nil {
		if d.ans == nil {
			if d.err = d.open(); d.err != nil {
				break
			}
		}
		n, err := d.ans.Body.Read(p)
		if n > 0 {
			if over := d.excess(d.offset + int64(n)); over != nil {
				d.drop()
				d.err = over
				break
			}
			d.offset += int64(n)
			d.sum.Write(p[:n])
		}
		if errors.Is(err, io.EOF) && d.offset < d.size {
			err = io.ErrUnexpectedEOF
		}
		switch {
		case errors.Is(err, io.EOF):
			d.drop()
			d.err = io.EOF
		case err != nil:
			d.drop()
			d.err = d.tries.failed(d.ctx, err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, d.err
}

// Close ends the download.
func (d *download) Close() error {
	d.drop()
	if d.err == nil {
		d.err = io.ErrClosedPipe
	}
	return nil
}

func (d *download) drop() {
	if d.ans != nil {
		d.ans.cancel(nil)
		d.ans.Body.Close()
		d.ans = nil
	}
}

// open gets the file from offset on, in as many attempts as are left. The error is final.
func (d *download) open() error {
	for {
		err := d.attempt()
		if err == nil {
			return nil
		}
		d.drop()
		if err := d.tries.failed(d.ctx, err); err != nil {
			return err
		}
	}
}

// attempt asks once, and leaves in d.ans an answer that goes on at offset.
func (d *download) attempt() (err error) {
	header := http.Header{"Accept-Encoding": {"identity"}}
	d.tries.pastCaches(header)
	ranged := d.offset > 0 && d.validator != ""
	if !ranged {
		if err = d.ask(header, http.StatusOK); err != nil {
			return err
		}
		return d.fromStart()
	}
	header.Set("Range", fmt.Sprintf("bytes=%d-", d.offset))
	header.Set("If-Range", d.validator)
	if err = d.ask(header, http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable); err != nil {
		return err
	}
	if d.ans.StatusCode == http.StatusOK {
		return d.fromStart()
	}
	if !d.continues() {
		d.validator = "" // it cannot be trusted with ranges: from the start, then
		return errBadRange
	}
	return nil
}

// ask leaves in d.ans an answer with one of the wanted statuses. Its body holds up no other request: whoever reads it may need a
// document first.
func (d *download) ask(header http.Header, want ...int) (err error) {
	if d.ans, err = d.site.exchange(d.ctx, d.url, header, want...); err == nil {
		d.ans.leave()
	}
	return err
}

// continues reports whether a 206 is the rest of the same file.
func (d *download) continues() bool {
	var first, last, total int64
	n, err := fmt.Sscanf(d.ans.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total)
	if err != nil || n != 3 || d.ans.StatusCode != http.StatusPartialContent {
		return false
	}
	if tag := d.ans.Header.Get("ETag"); tag != "" && strings.HasPrefix(d.validator, `"`) && tag != d.validator {
		return false
	}
	return first == d.offset && last == total-1 && (d.size == 0 || total == d.size) &&
		(d.ans.ContentLength < 0 || d.ans.ContentLength == total-first)
}

// fromStart takes an answer that begins at the first byte: it checks how long the answer says it is, and reads past what
// was handed out before, which must come again.
func (d *download) fromStart() error {
	size := max(d.ans.ContentLength, 0)
	switch {
	case d.opt.Size > 0 && d.ans.ContentLength >= 0 && size != d.opt.Size:
		return &SizeError{URL: origin.Show(d.url), Want: d.opt.Size, Got: size}
	case d.opt.Size > 0:
		size = d.opt.Size
	case size > d.opt.MaxSize:
		return &TooLargeError{URL: origin.Show(d.url), Limit: d.opt.MaxSize}
	}
	if d.offset > 0 && size != d.size {
		return &ChangedError{URL: origin.Show(d.url)}
	}
	d.size, d.validator = size, validatorOf(d.ans.Header)
	if d.offset == 0 {
		return nil
	}
	var again maphash.Hash
	again.SetSeed(d.sum.Seed())
	if _, err := io.CopyN(&again, d.ans.Body, d.offset); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if again.Sum64() != d.sum.Sum64() {
		return &ChangedError{URL: origin.Show(d.url)}
	}
	return nil
}

// validatorOf is what names this very version of the file in If-Range; "" when nothing does.
func validatorOf(h http.Header) string {
	if h.Get("Accept-Ranges") == "none" {
		return ""
	}
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return h.Get("Last-Modified")
}

// excess is the error for a download that reaches total bytes, or nil.
func (d *download) excess(total int64) error {
	limit := d.opt.MaxUnsized
	switch {
	case d.opt.Size > 0 && total > d.opt.Size:
		return &SizeError{URL: origin.Show(d.url), Want: d.opt.Size, Got: total, AtLeast: true}
	case d.opt.Size > 0:
		return nil
	case d.size > 0:
		limit = d.size
	}
	if total > limit {
		return &TooLargeError{URL: origin.Show(d.url), Limit: limit}
	}
	return nil
}
