package config

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/internal/strictyaml"
)

// userOnly are the keys that name secrets or loosen security, with what each would let a workspace do.
var userOnly = map[string]string{
	"token-env":      "it could send any variable of the environment to a host of its choice",
	"header-env":     "it could send any variable of the environment to a host of its choice",
	"ca-file":        "it could have any certificate trusted",
	"insecure":       "it could turn off the protection of the connection",
	"artifact-hosts": "it could allow downloads from any host",
	"mirrors":        "it could have the packages of any registry fetched from a host of its choice",
}

const userOnlyHint = "remove it here; it may stand in your own config.yml, ~/.openpackage/config.yml"

// Parse reads one config.yml. The error is an *Error.
func Parse(path string, data []byte, origin Origin, at Places) (*File, error) {
	root, err := strictyaml.Parse(path, data, MaxSize)
	if err != nil {
		return nil, err
	}
	p := &parser{file: &File{Path: path, Origin: origin}, at: at}
	if root == nil {
		return p.file, nil
	}
	if _, err := root.AsMapping("the configuration"); err != nil {
		return nil, err
	}
	if err := p.onlyKeys(root, "the configuration", "registries", "scopes", "artifact-hosts", "mirrors"); err != nil {
		return nil, err
	}
	for _, read := range []struct {
		key string
		f   func(*strictyaml.Node) error
	}{
		{"registries", p.registries}, {"scopes", p.scopes}, {"artifact-hosts", p.artifactHosts}, {"mirrors", p.mirrors},
	} {
		if n := root.Get(read.key); n != nil {
			if err := read.f(n); err != nil {
				return nil, err
			}
		}
	}
	return p.file, nil
}

// parser fills a File.
type parser struct {
	file *File
	at   Places
}

// onlyKeys refuses unknown keys, and in a workspace's file those that are the user's alone.
func (p *parser) onlyKeys(n *strictyaml.Node, what string, keys ...string) error {
	if p.file.Origin != User {
		for _, f := range n.Fields {
			if why, ok := userOnly[f.Key.Text]; ok && slices.Contains(keys, f.Key.Text) {
				return f.Key.Errorf(userOnlyHint, "%s is not allowed in a workspace's config.yml: %s", f.Key.Text, why)
			}
		}
	}
	return n.OnlyKeys(what, keys...)
}

func (p *parser) registries(n *strictyaml.Node) error {
	fields, err := n.AsMapping("registries")
	if err != nil {
		return err
	}
	for _, f := range fields {
		if !ident.IsAlias(f.Key.Text) {
			return f.Key.Errorf("use letters, digits, dot, underscore and dash", "%q is no alias for a registry", f.Key.Text)
		}
		r := Registry{Alias: f.Key.Text, Origin: p.file.Origin, File: p.file.Path, Line: f.Key.Line, column: f.Key.Column}
		if err := p.registry(&r, f.Value, "registry "+r.Alias); err != nil {
			return err
		}
		p.file.Registries = append(p.file.Registries, r)
	}
	return nil
}

// mirrors reads a mapping of registries to their copies.
func (p *parser) mirrors(n *strictyaml.Node) error {
	fields, err := n.AsMapping("mirrors")
	if err != nil {
		return err
	}
	for _, f := range fields {
		of, err := ident.ParseSource(f.Key.Text)
		if err != nil {
			return fault(f.Key, err, "mirrors")
		}
		m := Mirror{Of: of, Registry: Registry{Origin: p.file.Origin, File: p.file.Path, Line: f.Key.Line, column: f.Key.Column}}
		what := "the mirror of " + string(of)
		if err := p.registry(&m.Registry, f.Value, what); err != nil {
			return err
		}
		switch {
		case of.Kind() == ident.Directory:
			return f.Key.Errorf("name the other directory in registries", "%s is a directory, which has no mirror", of)
		case (of.Kind() == ident.GitRegistry) != (m.Registry.Source.Kind() == ident.GitRegistry):
			return f.Value.Errorf("a git registry is mirrored by git (git clone --mirror), any other by files (opkg registry mirror)", "%s cannot be %s", what, m.Registry.Source)
		case m.Registry.Source.Branch() != of.Branch():
			return f.Value.Errorf("name the same branch", "%s is another branch: %s", what, m.Registry.Source)
		}
		for _, other := range p.file.Mirrors {
			if other.Of == of {
				return f.Key.Errorf("keep one of them", "%s stands twice", what)
			}
		}
		p.file.Mirrors = append(p.file.Mirrors, m)
	}
	return nil
}

// registry reads a URL, or the long form.
func (p *parser) registry(r *Registry, n *strictyaml.Node, what string) error {
	if n.Kind != strictyaml.Mapping {
		return p.source(r, n, what)
	}
	if err := p.onlyKeys(n, what, "url", "token-env", "header-env", "ca-file", "insecure"); err != nil {
		return err
	}
	url := n.Get("url")
	if url == nil {
		return n.Errorf("add url:", "%s has no url", what)
	}
	var err error
	if v := n.Get("insecure"); v != nil {
		if r.Insecure, err = v.AsBool("insecure"); err != nil {
			return err
		}
	}
	if err := p.source(r, url, what); err != nil {
		return err
	}
	for _, key := range []string{"token-env", "header-env", "ca-file"} {
		if v := n.Get(key); v != nil && r.Source.Kind() == ident.Directory {
			return v.Errorf("remove it", "%s is a directory, for which %s means nothing", what, key)
		}
	}
	return p.credentials(r, n)
}

// source reads the URL of a registry.
func (p *parser) source(r *Registry, n *strictyaml.Node, what string) error {
	s, err := n.AsText("the url of " + what)
	if err != nil {
		return err
	}
	if s == "" {
		return n.Errorf("write a URL, or remove the line", "the url of %s is empty", what)
	}
	if r.Source, err = ident.ParseSource(s); err != nil {
		return fault(n, err, what)
	}
	if r.Source.Kind() == ident.Directory {
		r.Dir, err = p.directory(r.Source.URL())
		if err != nil {
			return n.Errorf("", "%s: %v", what, err)
		}
		return nil
	}
	if u := r.Source.URL(); r.Source.Kind() == ident.GitRegistry && (u[0] == '.' || u[0] == '/' || u[0] == '~') {
		if r.Dir, err = p.directory(u); err != nil {
			return n.Errorf("", "%s: %v", what, err)
		}
	}
	return nil
}

// plainHTTP reports whether a registry is reached without TLS beyond this machine.
func plainHTTP(s ident.SourceID) bool {
	if !strings.HasPrefix(s.URL(), "http:") {
		return false
	}
	o, err := origin.Parse(s.URL())
	return err != nil || !o.IsLoopback()
}

// credentials reads the keys of the long form that only a user's own file may have.
func (p *parser) credentials(r *Registry, n *strictyaml.Node) (err error) {
	if v := n.Get("token-env"); v != nil {
		if r.TokenEnv, err = variable(v, "token-env"); err != nil {
			return err
		}
	}
	if v := n.Get("header-env"); v != nil {
		if err := headers(r, v); err != nil {
			return err
		}
	}
	if v := n.Get("ca-file"); v != nil {
		s, err := v.AsText("ca-file")
		if err != nil {
			return err
		}
		if s == "" {
			return v.Errorf("", "ca-file is empty")
		}
		if r.CAFile, err = p.directory(s); err != nil {
			return v.Errorf("", "ca-file: %v", err)
		}
		r.CAFrom, r.CALine = p.file.Path, v.Line
	}
	return nil
}

func headers(r *Registry, n *strictyaml.Node) error {
	fields, err := n.AsMapping("header-env")
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, f := range fields {
		name := f.Key.Text
		switch {
		case !isToken(name):
			return f.Key.Errorf("", "%q is no name of an HTTP header", name)
		case slices.Contains(reservedHeaders, strings.ToLower(name)):
			return f.Key.Errorf("", "the header %s is the protocol's own", name)
		case seen[strings.ToLower(name)]:
			return f.Key.Errorf("keep one of them", "the header %s stands twice", name)
		case r.TokenEnv != "" && strings.EqualFold(name, "Authorization"):
			return f.Key.Errorf("keep one of them", "both token-env and header-env set Authorization")
		}
		seen[strings.ToLower(name)] = true
		v, err := variable(f.Value, "the variable of "+name)
		if err != nil {
			return err
		}
		r.HeaderEnv = append(r.HeaderEnv, HeaderEnv{Header: name, Variable: v})
	}
	slices.SortFunc(r.HeaderEnv, func(a, b HeaderEnv) int { return strings.Compare(a.Header, b.Header) })
	return nil
}

// reservedHeaders are part of how a request is sent, in lower case.
var reservedHeaders = []string{"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
	"accept-encoding", "range", "if-range", "if-none-match"}

// isToken reports whether s is an HTTP field name (RFC 9110, 5.1).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// variable reads the name of a variable of the environment.
func variable(n *strictyaml.Node, what string) (string, error) {
	s, err := n.AsText(what)
	if err != nil {
		return "", err
	}
	for i, c := range []byte(s) {
		letter := c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			s = ""
			break
		}
	}
	if s == "" {
		// The text is not repeated: somebody may have written the secret itself.
		return "", n.Errorf("name the variable, such as REGISTRY_TOKEN; the secret itself never stands in this file", "%s is no name of a variable", what)
	}
	return s, nil
}

func (p *parser) scopes(n *strictyaml.Node) error {
	fields, err := n.AsMapping("scopes")
	if err != nil {
		return err
	}
	for _, f := range fields {
		s := Scope{Origin: p.file.Origin, File: p.file.Path, Line: f.Key.Line, column: f.Key.Column}
		if s.Scope, err = ident.ParseScope(f.Key.Text); err != nil {
			return fault(f.Key, err, "scopes")
		}
		text, err := f.Value.AsText("scope " + s.Scope)
		if err != nil {
			return err
		}
		s.Registry = Registry{Origin: s.Origin, File: s.File, Line: s.Line, column: s.column}
		if ident.IsAlias(text) {
			s.Registry.Alias = text
		} else if err := p.source(&s.Registry, f.Value, "scope "+s.Scope); err != nil {
			return err
		}
		p.file.Scopes = append(p.file.Scopes, s)
	}
	return nil
}

// artifactHosts reads hosts, each with a port where it is not 443.
func (p *parser) artifactHosts(n *strictyaml.Node) error {
	items, err := n.AsList("artifact-hosts")
	if err != nil {
		return err
	}
	for _, item := range items {
		s, err := item.AsText("an item of artifact-hosts")
		if err != nil {
			return err
		}
		// A registry at that host has the canonical form of it.
		source, err := ident.ParseSource("https://" + s + "/")
		if err != nil || strings.ContainsAny(s, "/?#*@") {
			return item.Errorf("write host or host:port", "%q in artifact-hosts is no host", s)
		}
		host := strings.TrimSuffix(strings.TrimPrefix(source.URL(), "https://"), "/")
		p.file.ArtifactHosts = append(p.file.ArtifactHosts, host)
	}
	slices.Sort(p.file.ArtifactHosts)
	p.file.ArtifactHosts = slices.Compact(p.file.ArtifactHosts)
	return nil
}

// directory makes a path of this file absolute: "~/" is the home directory, and a relative path starts at the workspace, or in the
// user's own file at ~/.openpackage.
func (p *parser) directory(s string) (string, error) {
	base := p.at.OPKGHome
	if p.file.Origin != User {
		base = p.at.Workspace
	}
	if s == "~" || strings.HasPrefix(s, "~/") {
		base, s = p.at.Home, strings.TrimPrefix(s[1:], "/")
	} else if strings.HasPrefix(s, "~") {
		return "", errors.New("only ~/ is read, not the home of another user")
	}
	path := filepath.FromSlash(s)
	if filepath.IsAbs(path) {
		return filepath.Clean(path), nil
	}
	if base == "" {
		return "", errors.New("there is no directory that this path could start from")
	}
	return filepath.Join(base, path), nil
}

// fault places an error of ident, keeping a hint that it has.
func fault(n *strictyaml.Node, err error, what string) *Error {
	hint := ""
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		hint = h.Hint()
	}
	return n.Errorf(hint, "%s: %v", what, err)
}
