package registry

import (
	"fmt"

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
	note := &MirrorNote{}
	err := p.document("a mirror's note", MaxMirrorSize, mirrorKeys, mirrorKeys, func(key string, _ int) error {
		if key == "complete" {
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
		return nil, errorIn(file, data, err)
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
