package archive

import (
	"fmt"
	"strings"
)

// UnsafeError says why an archive, or a directory to pack, is refused. It is safe to print.
type UnsafeError struct {
	Archive string // URL or file, as the caller named it
	Entry   string // the entry's name as it stands in the archive; "" for the archive as a whole
	Reason  string
}

func (e *UnsafeError) Error() string {
	var b strings.Builder
	if e.Archive != "" {
		b.WriteString(e.Archive + ": ")
	}
	if e.Entry != "" {
		b.WriteString(printable(e.Entry) + ": ")
	}
	b.WriteString(e.Reason)
	return b.String()
}

// printable quotes a name from an archive, cut to a length that a terminal bears.
func printable(s string) string {
	const most = 200
	if len(s) > most {
		return fmt.Sprintf("%+q…", s[:most])
	}
	return fmt.Sprintf("%+q", s)
}

func unsafef(format string, a ...any) error {
	return &UnsafeError{Reason: fmt.Sprintf(format, a...)}
}

// about fills in what the place that found the fault did not know.
func about(err error, archive, entry string) error {
	if e, ok := err.(*UnsafeError); ok {
		if e.Archive == "" {
			e.Archive = archive
		}
		if e.Entry == "" {
			e.Entry = entry
		}
	}
	return err
}
