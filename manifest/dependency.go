package manifest

import (
	"fmt"
	"path"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/internal/strictyaml"
)

// semverFragment begins the fragment of a git URL that picks among the semver tags.
const semverFragment = "semver:"

// nested is where a workspace keeps packages of its own.
const nested = ".openpackage/packages/"

// dependency reads one item of a list.
func (r *reader) dependency(n *strictyaml.Node, list string) (Dependency, error) {
	d := Dependency{Range: ident.Any(), Pos: position(n)}
	if n.Kind != strictyaml.Mapping {
		hint := ""
		if n.IsText() {
			hint = "write it as a mapping: - name: " + n.Text
		}
		return d, n.Errorf(hint, "an entry of %s is no mapping", list)
	}
	named := n.Get("name")
	if named == nil {
		return d, n.Errorf("", "an entry of %s has no name", list)
	}
	hub, err := r.name(&d, named)
	if err != nil {
		return d, err
	}
	k, err := readKeys(n)
	if err != nil {
		return d, err
	}
	r.slips(n, entryKeys)
	if k.version != nil {
		if d.Range, err = rangeOf(k.version, "the version of "+string(d.Name)); err != nil {
			return d, err
		}
		d.HasRange = true
	}
	switch source := k.source(); {
	case source != nil || hub != "":
		return d, r.gitDependency(&d, k, named, hub)
	case k.ref != nil:
		return d, k.ref.Errorf("add git: with the URL of the repository", "%s has a ref, but neither git nor url", d.Name)
	case k.subdirectory != nil:
		return d, k.subdirectory.Errorf("add git: with the URL of the repository", "%s has a subdirectory, but neither git nor url", d.Name)
	case k.base != nil:
		return d, r.directory(&d, k)
	case k.path != nil && k.version == nil && k.registry == nil:
		return d, r.pathAlone(&d, k.path)
	}
	if k.registry != nil {
		d.Registry, err = alias(k.registry)
	}
	return d, err
}

// keys are the nodes of an entry that opkg reads; nil where absent.
type keys struct{ version, registry, git, url, ref, base, subdirectory, path *strictyaml.Node }

// readKeys collects the keys of an entry. Those that must be text are.
func readKeys(n *strictyaml.Node) (keys, error) {
	k := keys{version: n.Get("version"), path: n.Get("path")}
	for _, f := range []struct {
		key string
		to  **strictyaml.Node
	}{
		{"registry", &k.registry}, {"git", &k.git}, {"url", &k.url},
		{"ref", &k.ref}, {"base", &k.base}, {"subdirectory", &k.subdirectory},
	} {
		v := n.Get(f.key)
		if v == nil {
			continue
		}
		if s, err := v.AsText(f.key); err != nil {
			return k, err
		} else if s == "" {
			return k, v.Errorf("", "%s is empty", f.key)
		}
		*f.to = v
	}
	return k, nil
}

// source is the node with the URL of a git repository, or nil.
func (k keys) source() *strictyaml.Node {
	if k.git != nil {
		return k.git
	}
	return k.url
}

// name reads the name of an entry. In the form gh@user/repo, or gh@user/repo/sub/directory, it
// says where the package is; then it returns that, and the package is called as the last part.
func (r *reader) name(d *Dependency, n *strictyaml.Node) (hub string, err error) {
	s, err := n.AsText("name")
	if err != nil {
		return "", err
	}
	if rest, ok := strings.CutPrefix(s, "gh@"); ok {
		parts := strings.Split(rest, "/")
		for _, part := range parts {
			if !isHubPart(part) {
				return "", n.Errorf("", "%q is not gh@USER/REPOSITORY", s)
			}
		}
		if len(parts) < 2 {
			return "", n.Errorf("", "%q is not gh@USER/REPOSITORY", s)
		}
		last := strings.ToLower(strings.TrimSuffix(parts[len(parts)-1], ".git"))
		if d.Name, err = ident.ParseName(last); err != nil {
			return "", n.Errorf("write name: with the package's own name, and git: with the URL", "%q gives no package name: %v", s, err)
		}
		return rest, nil
	}
	if d.Name, err = ident.ParseName(s); err == nil {
		return "", nil
	}
	hint := nameHint(s)
	if a, rest, ok := strings.Cut(s, "/"); ok && !strings.HasPrefix(s, "@") {
		if _, err := ident.ParseName(rest); err == nil && ident.IsAlias(a) {
			hint = fmt.Sprintf("write name: %s and registry: %s", scalar(rest, strictyaml.Plain), a)
		}
	}
	return "", fault(n, err, hint)
}

// isHubPart reports whether s can be a user, repository or directory in gh@user/repo/directory.
func isHubPart(s string) bool {
	for _, c := range []byte(s) {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != "" && s[0] != '-' && strings.Trim(s, ".") != ""
}

// gitDependency reads an entry with git, url or a name gh@user/repo (hub).
func (r *reader) gitDependency(d *Dependency, k keys, named *strictyaml.Node, hub string) error {
	if k.git != nil && k.url != nil {
		return k.url.Errorf("keep one of them", "%s has both git and url", d.Name)
	}
	if k.registry != nil {
		return k.registry.Errorf("keep one of them", "%s has both a git repository and a registry", d.Name)
	}
	at, location, fragment := k.source(), "", ""
	if at != nil {
		location, fragment, _ = strings.Cut(at.Text, "#")
	} else {
		at = named
		parts := strings.SplitN(hub, "/", 3)
		location = "https://github.com/" + parts[0] + "/" + strings.TrimSuffix(parts[1], ".git") + ".git"
		if len(parts) == 3 {
			d.Base = parts[2]
		}
	}
	var err error
	if d.Git, err = ident.ParseGitURL(location); err != nil {
		return fault(at, err, "")
	}
	if r.foreign && isLocalGit(d.Git) {
		return at.Errorf("a package may name https and ssh repositories alone", "%s is in a directory of this machine: %q", d.Name, location)
	}
	if IsPlainHTTP(d.Git) {
		return at.Errorf("use https: or ssh:", "%s is reached by http:, which anybody on the way can change", d.Name)
	}
	if err := r.pick(d, k, at, fragment); err != nil {
		return err
	}
	switch {
	case k.base != nil && k.subdirectory != nil:
		return k.subdirectory.Errorf("keep base", "%s has both base and subdirectory", d.Name)
	case k.base != nil:
		d.Base, err = subdirectory(k.base, "base")
	case k.subdirectory != nil:
		d.Base, err = subdirectory(k.subdirectory, "subdirectory")
	}
	return err
}

// pick reads which commit of the repository is meant: a ref, or a range over its semver tags.
func (r *reader) pick(d *Dependency, k keys, at *strictyaml.Node, fragment string) error {
	const keepOne = "keep one of them"
	where := at
	if rest, ok := strings.CutPrefix(fragment, semverFragment); ok {
		if k.version != nil {
			return k.version.Errorf(keepOne, "%s has both #semver: and version", d.Name)
		}
		var err error
		if d.Range, err = ident.ParseRange(rest); err != nil {
			return fault(at, err, "")
		}
		d.HasRange = true
	} else {
		d.Ref = fragment
	}
	if k.ref != nil {
		if fragment != "" {
			return k.ref.Errorf(keepOne, "%s has both a ref and a # in its URL", d.Name)
		}
		d.Ref, where = k.ref.Text, k.ref
	}
	if d.Ref != "" {
		if err := ident.ParseRef(d.Ref); err != nil {
			return fault(where, err, "")
		}
		if k.version != nil {
			return k.version.Errorf(keepOne, "%s has both a ref and a version", d.Name)
		}
	}
	if k.version != nil {
		url, _, _ := strings.Cut(at.Text, "#")
		if k.source() == nil {
			url = d.Git
		}
		r.warn(k.version, fmt.Sprintf("write url: %s#semver:%s instead", url, k.version.Text),
			"%s has version beside a git repository, on which the OpenPackage client fails; it is read as a range over the tags", d.Name)
	}
	return nil
}

// directory reads an entry with base alone.
func (r *reader) directory(d *Dependency, k keys) (err error) {
	if k.version != nil {
		return k.version.Errorf("keep one of them", "%s has both a version and a directory", d.Name)
	}
	if k.registry != nil {
		return k.registry.Errorf("keep one of them", "%s has both a registry and a directory", d.Name)
	}
	d.Path, err = localPath(k.base, "base")
	return err
}

// pathAlone reads an entry whose only source is path, the older spelling of a directory.
func (r *reader) pathAlone(d *Dependency, n *strictyaml.Node) (err error) {
	if d.Path, err = localPath(n, "path"); err != nil {
		return err
	}
	hint := "write base: instead of path:"
	if path.Clean(d.Path) == path.Clean(nested+string(d.Name)) {
		hint = "remove path: a package in " + nested + " is found by its name"
	}
	r.warn(n, hint, "%s has path alone, which selects files for the OpenPackage client; it is read as a directory", d.Name)
	return nil
}

// localPath reads a directory of the workspace, as written.
func localPath(n *strictyaml.Node, what string) (string, error) {
	s, err := n.AsText(what)
	switch {
	case err != nil:
		return "", err
	case s == "" || strings.ContainsAny(s, "\n\t"):
		return "", n.Errorf("", "%s %q is no directory", what, s)
	case strings.Contains(s, `\`):
		return "", n.Errorf("write it with slashes", "%s %q holds a backslash", what, s)
	case s[0] == '/' || s[0] == '~' || strings.HasPrefix(path.Clean(s)[1:], ":"):
		return "", n.Errorf("write it relative to the workspace, such as ./tools/agent", "%s %q is a place on this machine only", what, s)
	}
	return s, nil
}

// subdirectory reads a directory within a git repository; "" is its root.
func subdirectory(n *strictyaml.Node, what string) (string, error) {
	s, err := localPath(n, what)
	if err != nil {
		return "", err
	}
	s = path.Clean(s)
	if s == ".." || strings.HasPrefix(s, "../") {
		return "", n.Errorf("", "%s %q is outside the repository", what, n.Text)
	}
	if s == "." {
		return "", nil
	}
	return s, nil
}

// alias reads the name of a registry as config.yml gives it.
func alias(n *strictyaml.Node) (string, error) {
	if !ident.IsAlias(n.Text) {
		return "", n.Errorf("name a registry of config.yml", "registry %q is no alias", n.Text)
	}
	return n.Text, nil
}

// isLocalGit reports whether a canonical git URL names a place on this machine.
func isLocalGit(url string) bool {
	drive := len(url) > 2 && url[1] == ':' && url[2] == '/'
	return strings.HasPrefix(url, "file:") || strings.ContainsAny(url[:1], "./~") || drive
}

// IsPlainHTTP reports whether a git URL is reached without TLS beyond this machine.
func IsPlainHTTP(url string) bool {
	if !strings.HasPrefix(url, "http:") {
		return false
	}
	o, err := origin.Parse(url)
	return err != nil || !o.IsLoopback()
}
