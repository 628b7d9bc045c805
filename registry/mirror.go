package registry

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/openpackage/opkg/ident"
)

// MirrorPath is where a mirror says what it is a copy of, relative to the mirror.
const MirrorPath = "mirror.json"

// MaxMirrorSize bounds it, in bytes.
const MaxMirrorSize = 64 << 10

// MirrorNote is what a mirror says of itself.
type MirrorNote struct {
	Source   ident.SourceID // of which registry it is a copy
	Complete bool           // it had every package when it was made: a name that is not here was not there
}

var mirrorKeys = []string{"source", "complete"}

// ParseMirrorNote reads a mirror.json strictly. The error is an *Error.
func ParseMirrorNote(file string, data []byte) (*MirrorNote, error) {
	p := scanner{data: data}
	note, err := p.mirrorNote()
	if err == nil {
		return note, nil
	}
	e := &Error{File: file, Msg: err.Error()}
	if f := (*fault)(nil); errors.As(err, &f) {
		e.Line, e.Column = position(data, f.pos)
	}
	return nil, e
}

func (p *scanner) mirrorNote() (*MirrorNote, error) {
	switch {
	case len(p.data) > MaxMirrorSize:
		return nil, fmt.Errorf("it has more than %d bytes", MaxMirrorSize)
	case !utf8.Valid(p.data):
		return nil, &fault{badUTF8(p.data), "it is not UTF-8 text"}
	case p.peek() != '{':
		return nil, p.fail("not a mirror's note: want a JSON object, found %s", p.found())
	}
	note := &MirrorNote{}
	keys := members{known: mirrorKeys}
	err := p.object(func(key string, pos int) error {
		known, err := keys.check(key, pos)
		switch {
		case err != nil:
			return err
		case !known:
			return p.skip()
		case key == "complete":
			if note.Complete = p.word("true"); !note.Complete && !p.word("false") {
				return p.fail("want true or false, found %s", p.found())
			}
			return nil
		}
		at := p.pos
		s, err := p.str()
		if err == nil {
			if note.Source, err = ident.ParseSource(s); err != nil {
				err = within("source", at, err)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if p.peek(); p.pos != len(p.data) {
		return nil, p.fail("want the end of the text, found %s", p.found())
	}
	for _, key := range mirrorKeys {
		if !keys.has(key) {
			return nil, fmt.Errorf("it has no %q", key)
		}
	}
	return note, nil
}

// Format is what ParseMirrorNote reads.
func (n *MirrorNote) Format() []byte {
	w := jsonWriter{}
	w.open()
	w.str("source", string(n.Source))
	w.key("complete")
	w.buf = fmt.Appendf(w.buf, "%t", n.Complete)
	w.close()
	return append(w.buf, '\n')
}
