package lock

import (
	"fmt"
	"strings"
)

// Error is a lock that does not parse.
type Error struct {
	File     string
	Line     int // of the table or key at fault; 0: the whole file
	Msg      string
	HintText string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

// Hint says what to do, or "".
func (e *Error) Hint() string { return e.HintText }

// NotClosedError lists what is missing, unreachable or out of range in a lock that parses.
type NotClosedError struct {
	File     string
	Problems []string // in the order of the file
}

func (e *NotClosedError) Error() string {
	return e.File + " is not closed: " + join(e.Problems)
}

// Hint says what to do.
func (e *NotClosedError) Hint() string { return "run opkg lock" }

// StaleError says how the manifest and the lock differ, one sentence a difference.
type StaleError struct {
	File        string
	Differences []string
}

func (e *StaleError) Error() string {
	return e.File + " is stale: " + join(e.Differences)
}

// Hint says what to do.
func (e *StaleError) Hint() string { return "run opkg lock" }

// maxSentences is how many sentences one message shows; the error's fields hold all.
const maxSentences = 10

func join(sentences []string) string {
	if more := len(sentences) - maxSentences; more > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(sentences[:maxSentences], "; "), more)
	}
	return strings.Join(sentences, "; ")
}
