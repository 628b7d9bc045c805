// Package config reads config.yml, the user's and the workspace's, and merges the two.
//
// The user's file is trusted: it may hold what loosens security or names secrets. A workspace's file
// comes with a repository, so that anybody who can open a pull request can edit it; it may name registries and
// scopes, and nothing else. The format is specified in docs/config.md.
package config
