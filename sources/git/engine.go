package git

import (
	"context"
	"errors"
	"io"
)

// engine is a git: it asks a remote, and keeps objects in a bare repository.
type engine interface {
	// about says which one it is, for people: "git version 2.39.5", "go-git".
	about() string
	// refs lists the branches, the tags and HEAD of the remote.
	refs(ctx context.Context, r remote) (refs, error)
	// fetch brings a commit and its trees to the mirror in dir, and refs/opkg/<commit> with it. ref, or "", is a full ref
	// that led to it; it may lead elsewhere by now. The error is errGone when the remote does not give the commit.
	fetch(ctx context.Context, r remote, dir, commit, ref string) error
	// bring makes sure that the blobs, which stand in the trees of commit, are in the mirror.
	bring(ctx context.Context, r remote, dir, commit string, trees, blobs []string) error
	// read calls f for each object, in the order of ids; an object that is not there is errMissing.
	read(ctx context.Context, dir string, ids []string, f func(o object) error) error
}

// credentialer is an engine that knows the user's own credentials.
type credentialer interface {
	// credential finds a name and a password for a URL, without asking anybody.
	credential(ctx context.Context, r remote, url string) (user, password string, ok bool)
}

// remote is where a repository is.
type remote struct {
	url     string   // canonical; a local path is absolute
	headers []string // "Name: value": secrets
	caFile  string
}

// object is one object of a repository while it is read.
type object struct {
	id, kind string // kind: commit, tree, blob, tag
	size     int64
	body     io.Reader // size bytes
}

var (
	errGone    = errors.New("the server does not have the commit any more")
	errMissing = errors.New("an object is missing")
)
