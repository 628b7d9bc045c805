// Package manifest reads and edits openpackage.yml and openpackage.index.yml.
package manifest
