// Package event is what libraries say while they work: progress and warnings, as values.
// Who listens decides what to print; a nil Observer is silence.
package event

import "github.com/openpackage/opkg/ident"

// Kind tells events apart.
type Kind uint8

// The kinds of event, with the fields that each one sets.
const (
	Warning    Kind = iota + 1 // Text, Hint
	Plan                       // Count: packages to fetch; Total: their bytes where known
	FetchStart                 // Name, Version, Source, Total
	FetchBytes                 // Name, Version, Bytes: how many came since the last such event
	FetchDone                  // Name, Version, Source, Bytes: size of the artifact
	Placed                     // Name, Version: a version directory appeared
	Retry                      // Source, Text: what happened; Wait in Text
	Request                    // Text: one HTTP request, for -v: method, URL without secrets, status; Count: round trips from the first request to its answer
	Waiting                    // Text: for a lock that another opkg holds
)

// Event is one thing that happened. Source and Text never hold a secret.
type Event struct {
	Kind    Kind
	Name    ident.Name
	Version ident.Version
	Source  string
	Text    string
	Hint    string
	Bytes   int64
	Total   int64
	Count   int
}

// Observer is told of events, from several goroutines at once. It must not block for long.
type Observer func(Event)

// Emit calls o unless it is nil.
func (o Observer) Emit(e Event) {
	if o != nil {
		o(e)
	}
}
