// Package site renders a registry for people: a static site that needs no server, no network beyond itself, and no JavaScript but
// for its search.
//
// It is pure: it takes what is known of packages and returns the bytes of pages; internal/ops reads archives and writes
// files. The same packages give the same bytes. What packages say is hostile: html/template escapes it for the place where it
// stands, links are held to a few schemes, READMEs pass through Markdown, and every page forbids, by its Content-Security-Policy,
// whatever is not the site's own.
//
// What the files are called and what each holds is specified in docs/site.md.
package site
