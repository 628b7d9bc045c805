package auth

import (
	"strings"

	"github.com/openpackage/opkg/internal/origin"
)

// netrcEntry is one machine of a netrc.
type netrcEntry struct {
	machine  string
	login    string
	password Secret
}

// readNetrc reads the netrc at path; one that does not exist is empty.
func readNetrc(path string) ([]netrcEntry, error) {
	data, _, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	return parseNetrc(string(data)), nil
}

// findNetrc finds the entry for host and port, or else the first for the host.
func findNetrc(entries []netrcEntry, o origin.Origin) (netrcEntry, bool) {
	for _, machine := range []string{strings.ToLower(o.HostPort()), o.Hostname()} {
		for _, e := range entries {
			if strings.ToLower(e.machine) == machine && !e.password.IsZero() {
				return e, true
			}
		}
	}
	return netrcEntry{}, false
}

// parseNetrc reads the format that ftp, curl and git share: words "machine NAME login USER password WORD" in any
// layout, macdef up to an empty line, "#" comments, and words in double quotes with backslash escapes. What it does not
// know it skips, as they do.
func parseNetrc(text string) []netrcEntry {
	var out []netrcEntry
	var cur *netrcEntry
	flush := func() {
		if cur != nil {
			out = append(out, *cur)
		}
		cur = nil
	}
	p := netrcScanner{rest: text}
	for {
		word, ok := p.word()
		if !ok {
			break
		}
		switch word {
		case "machine":
			flush()
			name := p.value()
			cur = &netrcEntry{machine: name}
		case "default":
			flush()
		case "macdef":
			p.skipMacro()
		case "login", "password", "account":
			value := p.value()
			switch {
			case cur == nil:
			case word == "login":
				cur.login = value
			case word == "password" && !strings.ContainsAny(value, "\r\n"):
				cur.password = NewSecret(value)
			}
		}
	}
	flush()
	return out
}

type netrcScanner struct{ rest string }

// word returns the next word, past comments.
func (p *netrcScanner) word() (string, bool) {
	for {
		p.rest = strings.TrimLeft(p.rest, blanks)
		if !strings.HasPrefix(p.rest, "#") {
			break
		}
		_, p.rest, _ = strings.Cut(p.rest, "\n")
	}
	if p.rest == "" {
		return "", false
	}
	return p.value(), true
}

// value returns the next word, which may begin with "#"; "" at the end.
func (p *netrcScanner) value() string {
	p.rest = strings.TrimLeft(p.rest, blanks)
	if strings.HasPrefix(p.rest, `"`) {
		return p.quoted()
	}
	end := strings.IndexAny(p.rest+" ", blanks)
	word := p.rest[:end]
	p.rest = p.rest[end:]
	return word
}

const blanks = " \t\r\n"

func (p *netrcScanner) quoted() string {
	var b strings.Builder
	s := p.rest[1:]
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			p.rest = s[i+1:]
			return b.String()
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	p.rest = ""
	return b.String()
}

// skipMacro drops a macro: all up to the next empty line.
func (p *netrcScanner) skipMacro() {
	text := strings.ReplaceAll(p.rest, "\r\n", "\n")
	_, p.rest, _ = strings.Cut(text, "\n\n")
}
