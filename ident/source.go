package ident

// SourceID is the canonical identity of a registry, as it stands in a lock:
//
//	https://registry.myorg.com/            static HTTP: host lower case, no credentials, one trailing slash
//	git:https://host/repo.git#beta         a git registry; the branch where one is named
//	file:../team-registry                  a directory, as the config wrote it
type SourceID string

// SourceKind tells the kinds of registry apart.
type SourceKind uint8

// The kinds of registry.
const (
	StaticHTTP SourceKind = iota + 1
	GitRegistry
	Directory
)

// ParseSource validates and canonicalizes the text of a config or lock. A path without a
// scheme is refused, as are credentials in a URL, "ext::", a leading dash, a query, control characters
// and a backslash. Plain http: is accepted here as a form; whether it is allowed is the config's question.
func ParseSource(s string) (SourceID, error) { panic("stub") }

// Kind tells what sort of registry s names.
func (s SourceID) Kind() SourceKind { panic("stub") }

// URL is the base URL (StaticHTTP), the git URL without branch (GitRegistry), or the path (Directory).
func (s SourceID) URL() string { panic("stub") }

// Branch is the channel of a git registry, or "".
func (s SourceID) Branch() string { panic("stub") }

// ParseGitURL validates the URL of a git repository (https, ssh, scp form, file: or a local path)
// and returns its canonical form.
func ParseGitURL(s string) (string, error) { panic("stub") }
