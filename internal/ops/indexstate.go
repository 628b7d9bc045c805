package ops

import (
	"bytes"
	"encoding/json"
	"maps"
	"time"

	"github.com/openpackage/opkg/ident"
)

// stateName is the memory of registry index. It decides nothing: what it says of an archive counts only while the index says the same.
const stateName = maintenanceDir + "/index-state.json"

const stateFormat = 1

// maxState bounds it, in bytes.
const maxState = 1 << 30

// indexState is what the last run found.
type indexState struct {
	Format   int                          `json:"format"`
	Packages map[ident.Name]*packageState `json:"packages"`
	Bundle   stamp                        `json:"bundle"`

	text []byte // as it was read
}

// packageState is what was found of one package.
type packageState struct {
	Index    stamp            `json:"index"`
	Versions int              `json:"versions"`
	Archives map[string]stamp `json:"archives"` // by file name
}

// stamp is how a file looks from outside, and what was in it.
type stamp struct {
	Size   int64  `json:"size"`
	Time   int64  `json:"time"` // nanoseconds since 1970
	SHA256 string `json:"sha256,omitempty"`
}

// is reports whether two stamps are of one file that nobody wrote to. A file that is not there is none.
func (s stamp) is(o stamp) bool { return s.Time != 0 && s.Size == o.Size && s.Time == o.Time }

// sameAs reports whether nothing of a package changed.
func (p *packageState) sameAs(here []archiveFile, index stamp) bool {
	if !p.Index.is(index) || len(here) != len(p.Archives) {
		return false
	}
	for _, a := range here {
		if !p.Archives[a.version.String()+".tgz"].is(a.stamp) {
			return false
		}
	}
	return true
}

// stampOf looks at a file; the zero stamp where it is none.
func (d *regDir) stampOf(rel string) stamp {
	fi, err := d.root.Stat(rel)
	if err != nil || !fi.Mode().IsRegular() {
		return stamp{}
	}
	return stamp{Size: fi.Size(), Time: fi.ModTime().UnixNano()}
}

// readState reads the memory; what cannot be read is forgotten.
func (d *regDir) readState() *indexState {
	state := &indexState{}
	data, err := d.read(stateName, maxState)
	if err != nil || json.Unmarshal(data, state) != nil || state.Format != stateFormat {
		return &indexState{}
	}
	maps.DeleteFunc(state.Packages, func(_ ident.Name, p *packageState) bool { return p == nil })
	state.text = data
	return state
}

// racy is how long a file's time may stay the same although somebody writes to it, on the coarsest file systems.
const racy = 2 * time.Second

// writeState remembers what was found, except of files that are so young that a change would not show. A memory that cannot be written is
// no reason to fail.
func (d *regDir) writeState(state, was *indexState, now time.Time) {
	young := now.Add(-racy).UnixNano()
	if state.Bundle.Time > young {
		state.Bundle = stamp{}
	}
	changed := len(state.Packages) != len(was.Packages) || state.Bundle != was.Bundle
	for name, p := range state.Packages {
		if p == was.Packages[name] {
			continue
		}
		changed = true
		if p.Index.Time > young {
			p.Index = stamp{}
		}
		maps.DeleteFunc(p.Archives, func(_ string, s stamp) bool { return s.Time > young })
	}
	if !changed {
		return
	}
	state.Format = stateFormat
	if data, err := json.Marshal(state); err == nil && !bytes.Equal(data, was.text) {
		_ = d.replace(stateName, data)
	}
}
