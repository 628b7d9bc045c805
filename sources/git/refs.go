package git

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	tagPrefix    = "refs/tags/"
	branchPrefix = "refs/heads/"
)

// refs are the refs of a remote by their full names; tags are peeled.
type refs struct {
	Head   string // the branch that HEAD names: refs/heads/main; "" where it names none
	Commit map[string]string
}

// parseRefs reads the output of ls-remote --symref. A ref whose name could drive a terminal is passed over: git allows none, and a server
// may send any.
func parseRefs(out string) refs {
	list := refs{Commit: map[string]string{}}
	peeled := map[string]string{}
	for line := range strings.Lines(out) {
		id, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !isShowable(id) || !isShowable(name) {
			continue
		}
		if target, ok := strings.CutPrefix(id, "ref: "); ok && name == "HEAD" {
			list.Head = target
			continue
		}
		if !isID(id) || !strings.HasPrefix(name, "refs/") {
			continue
		}
		if tag, ok := strings.CutSuffix(name, "^{}"); ok {
			peeled[tag] = id
		} else {
			list.Commit[name] = id
		}
	}
	for tag, id := range peeled {
		list.Commit[tag] = id
	}
	return list
}

// isShowable reports whether the name of a ref can stand in a message.
func isShowable(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// format is what parseRefs reads.
func (r *refs) format() string {
	var b strings.Builder
	if r.Head != "" {
		fmt.Fprintf(&b, "ref: %s\tHEAD\n", r.Head)
	}
	names := make([]string, 0, len(r.Commit))
	for name := range r.Commit {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s\t%s\n", r.Commit[name], name)
	}
	return b.String()
}

// full is the full name of a ref, "" where there is none: a tag goes before a branch, as for git.
func (r *refs) full(ref string) string {
	candidates := []string{tagPrefix + ref, branchPrefix + ref}
	if ref == "" {
		candidates = []string{r.Head}
	}
	for _, full := range candidates {
		if _, ok := r.Commit[full]; ok {
			return full
		}
	}
	return ""
}
