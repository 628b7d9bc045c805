package solver

import (
	"context"
	"errors"
	"testing"

	"github.com/openpackage/opkg/ident"
)

// Yanked versions are chosen only where they are locked, or the root (or an override of its) asks for exactly that version.
func TestYanked(t *testing.T) {
	for _, c := range []struct {
		what, problem, want string // want is the version of a; "" is no solution
	}{
		{"never by a range", "root a ^1.0.0", "1.0.0"},
		{"never by a range, be it the only one", "root a >=1.1.0 <1.2.0", ""},
		{"exactly", "root a 1.1.0", "1.1.0"},
		{"exactly, written as a range", "root a >=1.1.0 <=1.1.0", "1.1.0"},
		{"exactly, in dev-dependencies", "dev a =1.1.0", "1.1.0"},
		{"locked", "root a ^1.0.0\nlocked a 1.1.0", "1.1.0"},
		{"locked, and to be upgraded", "root a ^1.0.0\nlocked a 1.1.0\nunlock a", "1.0.0"},
		{"locked, and no longer asked for", "root a 1.0.0\nlocked a 1.1.0", "1.0.0"},
		{"another one is locked", "root a >=1.1.0\nlocked a 1.0.0", "2.0.0"},
		{"by an override that says exactly this", "root a ^1.0.0\noverride a 1.1.0", "1.1.0"},
		{"not by an override that is a range", "root a ^1.0.0\noverride a ~1.1.0", ""},
		{"not where an override takes the place of what the root asks exactly", "root a 1.1.0\noverride a <2.0.0", "1.0.0"},
		{"not where a dependency alone asks exactly", "root b ^1.0.0", ""},
		{"where the root asks exactly too", "root b ^1.0.0\nroot a 1.1.0", "1.1.0"},
		{"where it is locked, and a dependency asks exactly", "root b ^1.0.0\nlocked a 1.1.0", "1.1.0"},
	} {
		t.Run(c.what, func(t *testing.T) {
			p, prov := parseProblem(t, c.problem+"\na 1.0.0:\na 1.1.0 yanked:\na 2.0.0:\nb 1.0.0: a 1.1.0")
			sol, err := Solve(context.Background(), p, prov, Options{})
			var none *NoSolutionError
			if c.want == "" {
				if !errors.As(err, &none) {
					t.Fatalf("got %v, %v, want no solution", sol, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := chosenVersions(sol)[ident.Name("a")]; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
