package strictyaml

import "fmt"

// Error is a fault of a file, with its place.
type Error struct {
	File         string
	Line, Column int // from 1, Column in characters; 0: not known, or the whole file
	Msg          string
	HintText     string
}

// Error is "file:line:column: message", with as much of the place as is known.
func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.File, e.Msg)
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// Hint says what to do, or "".
func (e *Error) Hint() string { return e.HintText }
