package archive

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/openpackage/opkg/ident"
)

// CheckPath reports why a slash-separated path cannot be one and the same file on every system; the error is an
// *UnsafeError. A path is relative, clean, valid UTF-8 within MaxPath, MaxDepth and MaxComponent. A component
// holds no control, format or separator character (the joiners U+200C and U+200D apart), none of \ : < > " | ? *, no
// blank at either end and no dot at its end; it is no device of Windows, no spelling of .git that a file system
// takes for it, and does not begin with .opkg, which opkg keeps for itself.
func CheckPath(p string) error {
	if why := pathFault(p); why != "" {
		return &UnsafeError{Entry: p, Reason: why}
	}
	return nil
}

func pathFault(p string) string {
	switch {
	case p == "":
		return "the name is empty"
	case len(p) > MaxPath:
		return "the path is longer than 1,024 bytes"
	case p[0] == '/':
		return "the path is absolute"
	case !utf8.ValidString(p):
		return "the name is not valid UTF-8"
	}
	depth := 0
	for c := range strings.SplitSeq(p, "/") {
		if depth++; depth > MaxDepth {
			return "the path is more than 64 deep"
		}
		if why := componentFault(c); why != "" {
			return why
		}
	}
	return ""
}

func componentFault(c string) string {
	switch {
	case c == "":
		return "the path has an empty component"
	case c == "." || c == "..":
		return "the path has a component " + c
	case len(c) > MaxComponent:
		return "a component is longer than 255 bytes"
	}
	joiners := false
	for _, r := range c {
		switch {
		case unicode.IsControl(r):
			return "the name holds a control character"
		case strings.ContainsRune(`\:<>"|?*`, r):
			return "the name holds " + string(r) + ", which not every system allows"
		case r == '\u200c' || r == '\u200d':
			joiners = true
		case r >= utf8.RuneSelf && unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
			return "the name holds an invisible character"
		}
	}
	first, _ := utf8.DecodeRuneInString(c)
	last, _ := utf8.DecodeLastRuneInString(c)
	switch {
	case unicode.IsSpace(first) || unicode.IsSpace(last):
		return "the name begins or ends with a blank"
	case last == '.':
		return "the name ends with a dot"
	case ident.IsWindowsDevice(c):
		return "the name is a device on Windows"
	}
	// What follows concerns a dot, a tilde or a character that hides one: most names have none.
	if c[0] != '.' && !joiners && !strings.Contains(c, "~") {
		return ""
	}
	switch k := fold(c); {
	case k == ".git" || k == "git~1":
		return "the name is one that a file system takes for .git"
	case strings.HasPrefix(k, ".opkg"):
		return "the name begins with .opkg, which opkg keeps for itself"
	}
	return ""
}

// fold maps names that some file system takes for the same to one string: full case folding over canonical
// decomposition, without the joiners that HFS+ ignores, and dotless i with i.
func fold(c string) string {
	ascii, lower := true, true
	for i := 0; i < len(c); i++ {
		ascii = ascii && c[i] < utf8.RuneSelf
		lower = lower && (c[i] < 'A' || c[i] > 'Z')
	}
	if ascii {
		if lower {
			return c
		}
		return strings.ToLower(c)
	}
	c = strings.Map(func(r rune) rune {
		if r == '\u200c' || r == '\u200d' {
			return -1
		}
		return r
	}, c)
	c = cases.Fold().String(norm.NFD.String(c))
	c = strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, c)
	return norm.NFC.String(c)
}

// Dropped reports whether the file at path is no part of a package's payload: what a workspace keeps for itself
// (.openpackage, packages, openpackage.index.yml, opkg.lock) and what editors and operating systems leave
// behind (.DS_Store, Thumbs.db, ._*, *~).
func Dropped(path string) bool {
	top, _, below := strings.Cut(path, "/")
	if below && (top == ".openpackage" || top == "packages") {
		return true
	}
	base := path[strings.LastIndexByte(path, '/')+1:]
	return base == "openpackage.index.yml" || base == "opkg.lock" || isJunk(base)
}

func isJunk(base string) bool {
	return base == ".DS_Store" || base == "Thumbs.db" || strings.HasPrefix(base, "._") || len(base) > 1 && strings.HasSuffix(base, "~")
}

// NameSet finds names that cannot stand beside each other in one directory. The zero NameSet is empty.
type NameSet struct {
	nodes map[nameKey]*nameNode
	dirs  int
	bytes int
}

type nameKey struct {
	parent *nameNode
	folded string
}

type nameNode struct {
	name   string // as it was spelt first
	dir    bool
	member bool // it was added itself, not only as a parent
}

// Add adds a path that CheckPath accepts. The error is an *UnsafeError: the path stands there already, as a file
// where a directory is needed or the other way round, or in another spelling that some file system takes
// for the same; or there are more than MaxDirectories directories or MaxNames bytes of names.
func (s *NameSet) Add(path string, dir bool) error {
	if s.nodes == nil {
		s.nodes = make(map[nameKey]*nameNode)
	}
	if s.bytes += len(path); s.bytes > MaxNames {
		return unsafef("the names have more than %d bytes together", MaxNames)
	}
	var parent *nameNode
	for rest := path; ; {
		name, after, more := strings.Cut(rest, "/")
		isDir := more || dir
		key := nameKey{parent, fold(name)}
		node := s.nodes[key]
		switch {
		case node == nil:
			if isDir {
				if s.dirs++; s.dirs > MaxDirectories {
					return &UnsafeError{Entry: path, Reason: "there are more than 100,000 directories"}
				}
			}
			node = &nameNode{name: name, dir: isDir}
			s.nodes[key] = node
		case node.name != name:
			return &UnsafeError{Entry: path, Reason: printable(name) + " and " + printable(node.name) + " are one name on some file systems"}
		case node.dir != isDir:
			return &UnsafeError{Entry: path, Reason: printable(name) + " is both a file and a directory"}
		case !more && node.member:
			return &UnsafeError{Entry: path, Reason: "the name stands there twice"}
		}
		if !more {
			node.member = true
			return nil
		}
		parent, rest = node, after
	}
}
