// Package registry is the files that a registry is made of: reading them strictly, and writing them.
//
// index.json lists the versions of one package in a static registry, index.yml the packages and versions of a git
// registry; docs/registry.md is their specification. What a registry says is taken as hostile: everything is bounded,
// nothing has two readings, and an error names the place.
package registry
