// Package auth finds the credentials for a registry, and keeps those of opkg login.
//
// For one registry the first of these that has something is used:
//
//  1. the variable that token-env of the user's config.yml names, as a bearer token;
//  2. OPKG_TOKEN_<HOST>, as a bearer token (see TokenVariable);
//  3. credentials.yml, as opkg login writes it: a bearer token, or a user name and password;
//  4. netrc: the login and password of the machine, as basic authentication.
//
// Variables that header-env names are sent beside it. An Authorization header among them takes its place.
//
// What is found is bound to the registry's origin: scheme, host and port. Credentials.Apply gives it to no
// other, and no error, event or formatted value ever holds it. Variables, credentials.yml and netrc alike are for
// https, and for http on this machine; credentials.yml names its scheme.
//
// # credentials.yml
//
//	credentials:
//	  "https://registry.myorg.com":
//	    token: "…"
//	  "https://packages.internal.corp:8443":
//	    username: "ci"
//	    password: "…"
//
// Keys are origins in canonical form: lower case, without a path, without a default port. On Unix the file
// must not be accessible to anybody but its owner (0600); one that is, is an error.
//
// # netrc
//
// "machine HOST" holds for every port of the host, since the format has no word for one; "machine HOST:PORT"
// is read too and goes before it. "default" is ignored: it would give a password to every host there is.
package auth
