package badserver

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A mode says how the index and the archive are answered; nil is well-behaved.
type mode struct {
	index, archive func(*exchange)
	everywhere     bool // on origin B too
}

func both(act func(*exchange)) mode       { return mode{index: act, archive: act} }
func everywhere(act func(*exchange)) mode { return mode{index: act, archive: act, everywhere: true} }
func onArchive(act func(*exchange)) mode  { return mode{archive: act} }
func onIndex(act func(*exchange)) mode    { return mode{index: act} }
func answer(status int) func(*exchange) {
	return func(x *exchange) { x.send(status, []byte("no"), nil) }
}
func (x *exchange) validators() header     { return header{"ETag": x.etag, "Accept-Ranges": "bytes"} }
func (x *exchange) half() []byte           { return x.body[:len(x.body)/2] }
func (x *exchange) cut(part []byte)        { x.w.Write(part); x.flush(); panic(http.ErrAbortHandler) }
func (x *exchange) redirect(target string) { x.send(http.StatusFound, nil, header{"Location": target}) }

type header = map[string]string

var modes = map[string]mode{
	"ok":         both((*exchange).ok),
	"noetag":     both(func(x *exchange) { x.send(200, x.body, nil) }),
	"slow-index": onIndex(func(x *exchange) { x.wait(x.opt.Pause); x.ok() }),
	"range":      onArchive(firstHalfThen((*exchange).ok)),
	"e500":       both(firstThen(2, answer(500))),
	"e503":       both(firstThen(2, func(x *exchange) { x.send(503, nil, header{"Retry-After": "1"}) })),
	"e429":       both(firstThen(1, func(x *exchange) { x.send(429, nil, header{"Retry-After": "1"}) })),
	"e429-date":  both(firstThen(1, (*exchange).retryAfterDate)),
	"e429-long":  both(func(x *exchange) { x.send(429, nil, header{"Retry-After": "86400"}) }),
	"e401":       both(func(x *exchange) { x.send(401, []byte("no"), header{"WWW-Authenticate": "Bearer"}) }),
	"e403":       both(answer(403)),
	"e404":       both(answer(404)),
	"e200html": both(func(x *exchange) {
		x.send(200, []byte("<!doctype html><title>Sign in</title>"), header{"Content-Type": "text/html"})
	}),
	"reset":     both(firstThen(2, (*exchange).reset)),
	"trunc":     both(func(x *exchange) { x.head(200, len(x.body), x.validators()); x.cut(x.body[:len(x.body)*6/10]) }),
	"trunc-eof": onArchive(func(x *exchange) { x.oldHTTP("Connection: close\r\n", x.half()) }),
	"long":      onArchive(func(x *exchange) { x.oldHTTP(fmt.Sprintf("Content-Length: %d\r\n", len(x.body)/2), x.body) }),
	"drip":      both((*exchange).drip),
	"stall": both(func(x *exchange) {
		x.head(200, len(x.body), x.validators())
		x.w.Write(x.half())
		x.flush()
		x.wait(time.Hour)
	}),
	"stall-head":  both(func(x *exchange) { x.wait(time.Hour) }),
	"endless":     both((*exchange).endless),
	"redir-other": both(func(x *exchange) { x.redirect(x.B + x.r.URL.Path) }),
	"redir-loop":  everywhere(func(x *exchange) { x.redirect(x.r.URL.Path) }),
	"redir-file":  onArchive(func(x *exchange) { x.redirect("file:///etc/passwd") }),
	"redir-chain": everywhere((*exchange).chain),
	"redir-index": onIndex(func(x *exchange) { x.send(200, x.indexAt(x.base("B", "ok"), "demo", x.opt.Good, "1.0.0"), nil) }),
	"sha":         onArchive(func(x *exchange) { x.send(200, x.opt.Evil, nil) }),
	"flip":        onArchive((*exchange).flip),
	"cegzip":      onArchive(func(x *exchange) { x.send(200, compress(x.body), header{"Content-Encoding": "gzip"}) }),
	"cegzip-bare": onArchive(func(x *exchange) { x.send(200, x.body, header{"Content-Encoding": "gzip"}) }),
	"rollback":    onIndex((*exchange).rollback),
	"mutate":      {index: (*exchange).mutate, archive: firstOr((*exchange).good, (*exchange).evil)},
	"split":       onIndex((*exchange).split),
	"e304":        both(func(x *exchange) { x.send(304, nil, nil) }),
	"vary-case":   onIndex(func(x *exchange) { x.send(200, x.indexOf("Demo", x.opt.Good, "1.0.0"), nil) }),
	"dup-cl": onArchive(func(x *exchange) {
		x.oldHTTP(fmt.Sprintf("Content-Length: 10\r\nContent-Length: %d\r\n", len(x.body)), x.body)
	}),
	"http09": onArchive(func(x *exchange) { x.raw(false, func(w rawWriter) { w.Write(x.body) }) }),
	"crlf":   onArchive(func(x *exchange) { x.oldHTTP("X-A: b\r\n\tfolded\r\nContent Length: 5\r\n", x.body) }),

	"trunc-chunked": onArchive(func(x *exchange) { x.head(200, -1, nil); x.cut(x.half()) }),
	"redir-scheme":  both((*exchange).downgrade),
	"endless-head":  onArchive((*exchange).endlessHead),
	"range-ignored": onArchive(firstHalfThen(func(x *exchange) { x.send(200, x.body, x.validators()) })),
	"range-wrong":   onArchive((*exchange).wrongRange),
	"range-changed": onArchive((*exchange).changedRange),
	"e304-empty":    both(firstThen(1, func(x *exchange) { x.send(304, nil, nil) })),
	"stale-etag": onArchive(func(x *exchange) {
		x.etag = `"same"`
		firstOr((*exchange).good, (*exchange).evil)(x)
	}),
	"big-index": onIndex((*exchange).bigIndex),
}

// ok is a good server: validators, 304, ranges.
func (x *exchange) ok() {
	if x.r.Header.Get("If-None-Match") == x.etag {
		x.send(http.StatusNotModified, nil, x.validators())
		return
	}
	from, asked := strings.CutPrefix(x.r.Header.Get("Range"), "bytes=")
	offset, err := strconv.Atoi(strings.TrimSuffix(from, "-"))
	if cond := x.r.Header.Get("If-Range"); !asked || err != nil || cond != "" && cond != x.etag {
		x.send(http.StatusOK, x.body, x.validators())
		return
	}
	h := x.validators()
	if offset >= len(x.body) {
		h["Content-Range"] = fmt.Sprintf("bytes */%d", len(x.body))
		x.send(http.StatusRequestedRangeNotSatisfiable, nil, h)
		return
	}
	h["Content-Range"] = fmt.Sprintf("bytes %d-%d/%d", offset, len(x.body)-1, len(x.body))
	x.send(http.StatusPartialContent, x.body[offset:], h)
}

func (x *exchange) good() { x.send(200, x.opt.Good, header{"ETag": x.etag}) }
func (x *exchange) evil() { x.send(200, x.opt.Evil, header{"ETag": x.etag}) }

// firstThen misbehaves n times on a path, and is good after that.
func firstThen(n int, bad func(*exchange)) func(*exchange) {
	return func(x *exchange) {
		if x.n <= n {
			bad(x)
			return
		}
		x.ok()
	}
}

func firstOr(first, later func(*exchange)) func(*exchange) {
	return func(x *exchange) {
		if x.n == 1 {
			first(x)
			return
		}
		later(x)
	}
}

// firstHalfThen breaks the first answer off in its middle.
func firstHalfThen(later func(*exchange)) func(*exchange) {
	return firstOr(func(x *exchange) { x.head(200, len(x.body), x.validators()); x.cut(x.half()) }, later)
}

// oldHTTP writes an answer by hand, with headers that net/http would not send, and closes the connection.
func (x *exchange) oldHTTP(headers string, body []byte) {
	x.raw(false, func(w rawWriter) {
		fmt.Fprintf(w, "HTTP/1.1 200 OK\r\n%s\r\n", headers)
		w.Write(body)
	})
}

func (x *exchange) reset() {
	x.raw(true, func(w rawWriter) {
		fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nETag: %s\r\nContent-Length: %d\r\n\r\n", x.etag, len(x.body))
		w.Write(x.body[:min(1000, len(x.body)/2)])
	})
}

func (x *exchange) retryAfterDate() {
	at := x.opt.Now().Add(time.Second).UTC().Format(http.TimeFormat)
	x.send(429, nil, header{"Retry-After": at})
}

func (x *exchange) drip() {
	x.head(200, len(x.body), x.validators())
	for i := range x.body {
		x.w.Write(x.body[i : i+1])
		x.flush()
		if !x.wait(x.opt.Pause) {
			return
		}
	}
}

func (x *exchange) endless() {
	x.head(200, -1, nil)
	zeros := make([]byte, 64<<10)
	for {
		if _, err := x.w.Write(zeros); err != nil || !x.wait(0) {
			return
		}
	}
}

func (x *exchange) endlessHead() {
	x.raw(false, func(w rawWriter) {
		fmt.Fprint(w, "HTTP/1.1 200 OK\r\n")
		pad := []byte("X-Pad: " + strings.Repeat("a", 4096) + "\r\n")
		for range 64 << 10 {
			if _, err := w.Write(pad); err != nil {
				return
			}
		}
	})
}

// downgrade sends a client of https to http.
func (x *exchange) downgrade() {
	if x.origin != "C" {
		x.ok()
		return
	}
	x.redirect(x.A + "/ok" + strings.TrimPrefix(x.r.URL.Path, "/"+x.mode))
}

// chain redirects thirty times.
func (x *exchange) chain() {
	n, _ := strconv.Atoi(x.r.URL.Query().Get("n"))
	if n == 30 {
		x.ok()
		return
	}
	x.redirect(fmt.Sprintf("%s?n=%d", x.r.URL.Path, n+1))
}

func (x *exchange) flip() {
	body := bytes.Clone(x.body)
	body[len(body)/2] ^= 4
	x.send(200, body, nil)
}

func (x *exchange) wrongRange() {
	if x.n == 1 || x.r.Header.Get("Range") == "" {
		x.head(200, len(x.body), x.validators())
		x.cut(x.half())
	}
	h := x.validators()
	h["Content-Range"] = fmt.Sprintf("bytes 100-%d/%d", len(x.body)-1, len(x.body))
	x.send(http.StatusPartialContent, x.body[100:], h)
}

// changedRange puts another file in place of a half-sent one.
func (x *exchange) changedRange() {
	if x.n == 1 {
		x.head(200, len(x.body), header{"ETag": `"old"`})
		x.cut(x.half())
	}
	x.send(200, x.opt.Evil, header{"ETag": `"new"`})
}

// rollback forgets a version after the first request.
func (x *exchange) rollback() {
	versions := []string{"1.0.0", "1.1.0"}
	if x.n > 1 {
		versions = versions[:1]
	}
	x.send(200, x.indexOf("demo", x.opt.Good, versions...), header{"ETag": fmt.Sprintf(`"r%d"`, min(x.n, 2))})
}

// mutate gives another sha256 for a version after the first request.
func (x *exchange) mutate() {
	archive := x.opt.Good
	if x.n > 1 {
		archive = x.opt.Evil
	}
	x.send(200, x.indexOf("demo", archive, "1.0.0"), header{"ETag": fmt.Sprintf(`"m%d"`, min(x.n, 2))})
}

// split is two mirrors out of step.
func (x *exchange) split() {
	versions := []string{"1.0.0", "1.1.0"}
	x.send(200, x.indexOf("demo", x.opt.Good, versions[:1+x.n%2]...), nil)
}

func (x *exchange) bigIndex() {
	body := x.indexOf("demo", x.opt.Good, "1.0.0")
	body = append(body[:len(body)-1], `,"pad":"`...)
	body = append(body, bytes.Repeat([]byte("A"), 60<<20)...)
	x.send(200, append(body, `"}`...), nil)
}

func compress(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}
