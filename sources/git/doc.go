// Package git reads git repositories: registries that are repositories, whose branches are channels, and packages that are repositories,
// whose semver tags are versions.
//
// Each repository has one bare mirror in the cache, which all workspaces and several opkgs at once share. There is never a work tree: files
// are read from git's objects byte for byte, without attributes, filters or line-end conversion, and each object is held
// against its own name.
//
// Two engines do the work behind one interface: the system's git, which fetches one commit, its trees, and the blobs that are asked for;
// and go-git where there is no git, which fetches whole branches. What they read is the same.
//
// What a server, a ref or a tree says is not trusted: git is run without hooks, prompts, submodules and remote helpers, with the
// transports alone that the URL asks for; paths in trees are held against archive.CheckPath; and nothing but a regular
// file is ever taken.
package git
