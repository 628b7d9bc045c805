package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/openpackage/opkg/internal/atomicfile"
	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/internal/strictyaml"
)

// Entry is what credentials.yml keeps for one origin: a token, or a user name and password.
type Entry struct {
	Token    Secret
	Username string
	Password Secret
}

// maxFile bounds credentials.yml and netrc, in bytes.
const maxFile = 1 << 20

// Login saves e for o in the credentials.yml at path, with mode 0600, in place of what was there for o.
func Login(path string, o origin.Origin, e Entry) error {
	if err := e.check(); err != nil {
		return err
	}
	return edit(path, func(all map[origin.Origin]Entry) bool {
		all[o] = e
		return true
	})
}

// Logout forgets what the credentials.yml at path has for o, and reports whether there was anything.
func Logout(path string, o origin.Origin) (had bool, err error) {
	err = edit(path, func(all map[origin.Origin]Entry) bool {
		_, had = all[o]
		delete(all, o)
		return had
	})
	return had && err == nil, err
}

// Saved lists the origins that the credentials.yml at path has something for, sorted.
func Saved(path string) ([]origin.Origin, error) {
	all, err := readFile(path)
	return slices.Sorted(maps.Keys(all)), err
}

func (e Entry) check() error {
	switch {
	case e.Token.IsZero() == e.Password.IsZero() || !e.Token.IsZero() && e.Username != "":
		return errors.New("want a token, or a user name and password")
	case !sendable(e.Token.Reveal(), false):
		return errors.New("the token holds characters that cannot be sent in a header")
	case strings.ContainsFunc(e.Username+e.Password.Reveal(), unicode.IsControl) || strings.Contains(e.Username, ":"):
		return errors.New("a user name must not hold a colon, nor it or a password a control character")
	}
	return nil
}

// edit rewrites credentials.yml if change says so.
func edit(path string, change func(map[origin.Origin]Entry) bool) error {
	all, err := readFile(path)
	if err != nil {
		return err
	}
	if !change(all) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, format(all), 0o600)
}

// format is the text of credentials.yml, sorted by origin.
func format(all map[origin.Origin]Entry) []byte {
	var b bytes.Buffer
	b.WriteString("# Written by opkg login and opkg logout. Nobody but you may read this file.\ncredentials:")
	if len(all) == 0 {
		b.WriteString(" {}")
	}
	b.WriteByte('\n')
	for _, o := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "  %q:\n", string(o))
		if e := all[o]; !e.Token.IsZero() {
			fmt.Fprintf(&b, "    token: %s\n", strconv.Quote(e.Token.Reveal()))
		} else {
			fmt.Fprintf(&b, "    username: %s\n    password: %s\n", strconv.Quote(e.Username), strconv.Quote(e.Password.Reveal()))
		}
	}
	return b.Bytes()
}

// readFile reads credentials.yml; one that does not exist is empty.
func readFile(path string) (map[origin.Origin]Entry, error) {
	data, mode, err := readSmall(path)
	if err != nil || data == nil {
		return map[origin.Origin]Entry{}, err
	}
	if runtime.GOOS != "windows" && mode.Perm()&0o077 != 0 {
		return nil, &FileError{File: path, Msg: fmt.Sprintf("it holds secrets and others may use it (mode %04o)", mode.Perm()),
			HintText: "chmod 600 " + path}
	}
	return parseFile(path, data)
}

// parseFile reads the text of credentials.yml. Messages of the YAML reader may quote the text, so none of them
// is passed on.
func parseFile(path string, data []byte) (map[origin.Origin]Entry, error) {
	fault := func(n *strictyaml.Node, msg string) error { return &FileError{File: path, Line: n.Line, Msg: msg} }
	root, err := strictyaml.Parse(path, data, maxFile)
	if err != nil {
		fe := &FileError{File: path, Msg: "it is not well-formed YAML"}
		var se *strictyaml.Error
		if errors.As(err, &se) {
			fe.Line = se.Line
		}
		return nil, fe
	}
	all := map[origin.Origin]Entry{}
	if root == nil || root.IsNull() {
		return all, nil
	}
	list := root.Get("credentials")
	if list == nil || len(root.Fields) != 1 {
		return nil, fault(root, "want one key: credentials")
	}
	if list.Kind != strictyaml.Mapping && !list.IsNull() {
		return nil, fault(list, "credentials: want a mapping of origins")
	}
	for _, f := range list.Fields {
		o, err := origin.Parse(f.Key.Text)
		if err != nil || string(o) != f.Key.Text {
			return nil, fault(f.Key, "want an origin as its key, such as https://registry.myorg.com")
		}
		e, bad := parseEntry(f.Value)
		if bad == nil && e.check() != nil {
			bad = f.Value
		}
		if bad != nil {
			return nil, fault(bad, "want a token, or a username and password, in quotes")
		}
		all[o] = e
	}
	return all, nil
}

// parseEntry reads the mapping of one origin; bad is the node at fault.
func parseEntry(n *strictyaml.Node) (e Entry, bad *strictyaml.Node) {
	if n.Kind != strictyaml.Mapping {
		return e, n
	}
	for _, f := range n.Fields {
		text := f.Value.Text
		switch {
		case !f.Value.IsText():
			return e, f.Value
		case f.Key.Text == "token":
			e.Token = NewSecret(text)
		case f.Key.Text == "username":
			e.Username = text
		case f.Key.Text == "password":
			e.Password = NewSecret(text)
		default:
			return e, f.Key
		}
	}
	return e, nil
}

// readSmall reads a file of the user's whole; data is nil when it does not exist or path is "".
func readSmall(path string) (data []byte, mode fs.FileMode, err error) {
	if path == "" {
		return nil, 0, nil
	}
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, nil
	case err != nil:
		return nil, 0, err
	case !fi.Mode().IsRegular():
		return nil, 0, &FileError{File: path, Msg: "it is not a regular file"}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	if fi, err = f.Stat(); err != nil {
		return nil, 0, err
	}
	data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = &FileError{File: path, Msg: fmt.Sprintf("it has more than %d bytes", maxFile)}
	}
	if data == nil {
		data = []byte{}
	}
	return data, fi.Mode(), err
}
