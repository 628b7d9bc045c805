package ident

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// SHA256 is the SHA-256 of an artifact. The zero SHA256 means "not known".
type SHA256 [32]byte

// BlobID is the BLAKE3-256 of one file's bytes.
type BlobID [32]byte

// TreeID is the BLAKE3-256 of a payload's listing; written "blake3:<hex>". The zero TreeID means
// "not known".
type TreeID [32]byte

// Commit is a full git object id: 40 or 64 lower-case hex digits.
type Commit string

const treePrefix = "blake3:"

// ParseSHA256 reads 64 hex digits of either case.
func ParseSHA256(s string) (d SHA256, err error) { err = parseHex(d[:], s, "sha256"); return }

// ParseBlobID reads 64 hex digits of either case.
func ParseBlobID(s string) (d BlobID, err error) { err = parseHex(d[:], s, "blake3"); return }

// ParseTreeID reads "blake3:" and 64 hex digits.
func ParseTreeID(s string) (d TreeID, err error) {
	h, ok := strings.CutPrefix(s, treePrefix)
	if !ok {
		return d, fmt.Errorf("%s is not a tree: want blake3:<64 hex digits>", quoteShort(s))
	}
	err = parseHex(d[:], h, "tree")
	return d, err
}

// ParseCommit reads a full object id.
func ParseCommit(s string) (Commit, error) {
	if len(s) != 40 && len(s) != 64 {
		return "", fmt.Errorf("%s is not a commit: want 40 or 64 hex digits", quoteShort(s))
	}
	if !isLowerHex(s) {
		return "", fmt.Errorf("%s is not a commit: want lower-case hex digits", quoteShort(s))
	}
	return Commit(s), nil
}

func isLowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func parseHex(dst []byte, s, what string) error {
	if len(s) != 2*len(dst) {
		return fmt.Errorf("%s is not a %s: want %d hex digits", quoteShort(s), what, 2*len(dst))
	}
	if _, err := hex.Decode(dst, []byte(s)); err != nil {
		clear(dst)
		return fmt.Errorf("%s is not a %s: want hex digits", quoteShort(s), what)
	}
	return nil
}

func (d SHA256) String() string { return hex.EncodeToString(d[:]) }
func (d BlobID) String() string { return hex.EncodeToString(d[:]) }
func (d TreeID) String() string { return treePrefix + hex.EncodeToString(d[:]) }

// Hex is the tree's digest without its prefix.
func (d TreeID) Hex() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether the digest is not known.
func (d SHA256) IsZero() bool { return d == SHA256{} }

// IsZero reports whether the digest is not known.
func (d TreeID) IsZero() bool { return d == TreeID{} }

// MismatchError says that something is not what was promised. Both values stand in it.
type MismatchError struct {
	Name    Name
	Version Version
	Source  string // the registry or file that said or served it; "" where it does not matter
	What    string // "sha256", "size", "tree", "name", "version", "dependencies"
	Want    string
	Got     string
}

func (e *MismatchError) Error() string {
	var b strings.Builder
	if e.Name != "" {
		b.WriteString(CleanText(string(e.Name)))
		if !e.Version.IsZero() {
			b.WriteString("@" + e.Version.String())
		}
		b.WriteString(": ")
	}
	fmt.Fprintf(&b, "%s is %s, expected %s", e.What, shown(e.Got), shown(e.Want))
	if e.Source != "" {
		b.WriteString(" (from " + CleanText(e.Source) + ")")
	}
	return b.String()
}

// Hint says what to do.
func (e *MismatchError) Hint() string {
	return "nothing of it was installed, and trying again is no cure: a published version never changes, so ask whoever runs the registry"
}

// shown is a value in a message, where one that is missing must not be a hole.
func shown(s string) string {
	if s == "" {
		return "empty"
	}
	return CleanText(s)
}
