package ident

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// npmFacts are facts about node-semver 7.8.6; "differential" was computed with it, the other rows
// are those of its own tests and were checked with it.
type npmFacts struct {
	Satisfies, Differential []struct {
		Range, Version    string
		IncludePrerelease bool
		Satisfies         *bool // null: the range is refused
		ValidRange        *bool `json:"valid_range"`
	}
	Canonical []struct {
		Range             string
		IncludePrerelease bool
		Canonical         *string // null: the range is refused
	}
	Intersects []struct {
		A, B                          string
		IncludePrerelease, Intersects bool
	}
	Subset []struct {
		Sub, Dom                  string
		IncludePrerelease, Subset bool
	}
	Order        []struct{ Greater, Less string }
	Equal        []struct{ A, B string }
	VersionParse []struct {
		Version             string
		Valid               bool
		Major, Minor, Patch uint64
		Prerelease, Build   []any
	} `json:"version_parse"`
	MaxSatisfying []struct {
		Versions          []string
		Range             string
		IncludePrerelease bool
		Expect            string
	} `json:"max_satisfying"`
}

func readFacts(t *testing.T) npmFacts {
	t.Helper()
	data, err := os.ReadFile("testdata/npm.json")
	if err != nil {
		t.Fatal(err)
	}
	var facts npmFacts
	if err := json.Unmarshal(data, &facts); err != nil {
		t.Fatal(err)
	}
	return facts
}

// satisfies answers for either setting of includePrerelease, from the same parse.
func satisfies(t *testing.T, text string, v Version, includePrerelease bool) bool {
	t.Helper()
	r, err := ParseRange(text)
	if err != nil {
		t.Fatal(err)
	}
	if includePrerelease {
		return r.Contains(v)
	}
	return slices.ContainsFunc(releaseForm(t, text), func(alternative []primitive) bool {
		return testReleases(alternative, v)
	})
}

func TestNPMSatisfies(t *testing.T) {
	facts := readFacts(t)
	for _, row := range slices.Concat(facts.Satisfies, facts.Differential) {
		_, err := ParseRange(row.Range)
		if row.Satisfies == nil || row.ValidRange != nil && !*row.ValidRange {
			if err == nil {
				t.Errorf("%q is accepted", row.Range)
			}
			continue
		}
		if err != nil {
			if !(row.ValidRange == nil && !*row.Satisfies) { // junk rows of node-semver's own tests
				t.Errorf("%v", err)
			}
			continue
		}
		v, err := ParseVersionInput(row.Version)
		if err != nil {
			if *row.Satisfies {
				t.Errorf("%q: %v", row.Range, err)
			}
			continue
		}
		if got := satisfies(t, row.Range, v, row.IncludePrerelease); got != *row.Satisfies {
			t.Errorf("%q holds %s: %v (prereleases included: %v)", row.Range, v, got, row.IncludePrerelease)
		}
	}
}

func TestNPMCanonical(t *testing.T) {
	for _, row := range readFacts(t).Canonical {
		r, err := ParseRange(row.Range)
		if row.Canonical == nil {
			if err == nil {
				t.Errorf("%q is accepted", row.Range)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		if row.IncludePrerelease {
			if want := mustRange(t, *row.Canonical); !r.Equal(want) {
				t.Errorf("%q is %v, want %v", row.Range, r.set, want.set)
			}
			continue
		}
		if got := formatReleaseForm(releaseForm(t, row.Range)); got != *row.Canonical {
			t.Errorf("%q is %q, want %q", row.Range, got, *row.Canonical)
		}
	}
}

func TestNPMRelations(t *testing.T) {
	facts := readFacts(t)
	for _, row := range facts.Intersects {
		a, b := mustRange(t, row.A), mustRange(t, row.B)
		got := !a.Intersect(b).IsEmpty()
		if a.Intersects(b) != got || b.Intersects(a) != got {
			t.Errorf("%q and %q: Intersects is not Intersect", row.A, row.B)
		}
		if !row.IncludePrerelease {
			got = slices.ContainsFunc(witnesses(t, row.A, row.B), func(v Version) bool {
				return satisfies(t, row.A, v, false) && satisfies(t, row.B, v, false)
			})
		}
		if got != row.Intersects {
			t.Errorf("%q and %q intersect: %v (prereleases included: %v)", row.A, row.B, got, row.IncludePrerelease)
		}
	}
	for _, row := range facts.Subset {
		got := mustRange(t, row.Sub).SubsetOf(mustRange(t, row.Dom))
		if !row.IncludePrerelease {
			got = !slices.ContainsFunc(witnesses(t, row.Sub, row.Dom), func(v Version) bool {
				return satisfies(t, row.Sub, v, false) && !satisfies(t, row.Dom, v, false)
			})
		}
		if got != row.Subset {
			t.Errorf("%q within %q: %v (prereleases included: %v)", row.Sub, row.Dom, got, row.IncludePrerelease)
		}
	}
}

func TestNPMVersions(t *testing.T) {
	facts := readFacts(t)
	for _, row := range facts.Order {
		greater, less := mustVersion(t, row.Greater), mustVersion(t, row.Less)
		if greater.Compare(less) != 1 || less.Compare(greater) != -1 || less.Compare(less) != 0 {
			t.Errorf("%s is not above %s", greater, less)
		}
	}
	for _, row := range facts.Equal {
		if a, b := mustVersion(t, strings.TrimLeft(row.A, " =")), mustVersion(t, strings.TrimLeft(row.B, " =")); a.Compare(b) != 0 {
			t.Errorf("%s is not %s", a, b)
		}
	}
	for _, row := range facts.VersionParse {
		v, err := ParseVersionInput(row.Version)
		if (err == nil) != row.Valid {
			t.Errorf("%q: %v", row.Version, err)
		} else if row.Valid && (v.Major() != row.Major || v.Minor() != row.Minor || v.Patch() != row.Patch) {
			t.Errorf("%q is %s", row.Version, v)
		}
	}
	for _, row := range facts.MaxSatisfying {
		var best Version
		for _, s := range row.Versions {
			if v := mustVersion(t, s); satisfies(t, row.Range, v, row.IncludePrerelease) && (best.IsZero() || v.Compare(best) > 0) {
				best = v
			}
		}
		if best.String() != row.Expect {
			t.Errorf("%q of %q is %s, want %s", row.Range, row.Versions, best, row.Expect)
		}
	}
}

func mustRange(t testing.TB, s string) Range {
	t.Helper()
	r, err := ParseRange(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustVersion(t testing.TB, s string) Version {
	t.Helper()
	v, err := ParseVersionInput(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
