package ident

// MaxAlias is the longest alias of a registry, in bytes.
const MaxAlias = 64

// IsAlias reports whether s can name a registry in config.yml, in a registry: key and in
// alias/name: letters, digits, dot, underscore and dash, the first a letter or digit. So no alias
// is a URL, a path or a scope.
func IsAlias(s string) bool {
	if s == "" || len(s) > MaxAlias {
		return false
	}
	for i, c := range []byte(s) {
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return true
}
