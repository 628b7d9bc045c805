// Package strictyaml is the one reader of every YAML file of opkg: openpackage.yml,
// openpackage.index.yml, config.yml, and a git registry's index.yml.
//
// It reads the part of YAML that has one meaning to every reader, and refuses the rest with a place
// and a reason: anything but UTF-8, control characters, a second document, duplicate keys, anchors,
// aliases, tags, merge keys, keys that are not scalars, and nesting beyond MaxDepth. Input is
// bounded before the YAML library sees it, and a panic of that library becomes an error.
//
// What it gives is a tree of Nodes that know their line, column and byte offset, so that a caller
// can point at a fault, or edit the text and leave every other byte alone.
package strictyaml
