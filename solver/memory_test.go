package solver

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/openpackage/opkg/ident"
)

// memory is a provider of versions and requirements that are at hand.
type memory map[ident.Name]*memoryPackage

type memoryPackage struct {
	candidates []Candidate
	reqs       map[ident.Version][]ident.Requirement
}

func (m memory) Versions(_ context.Context, name ident.Name) ([]Candidate, error) {
	if p := m[name]; p != nil {
		return p.candidates, nil
	}
	return nil, nil
}

func (m memory) Requirements(_ context.Context, name ident.Name, v ident.Version) ([]ident.Requirement, error) {
	return m[name].reqs[v], nil
}

// add gives the package one more version.
func (m memory) add(name ident.Name, v ident.Version, yanked bool, reqs []ident.Requirement) {
	p := m[name]
	if p == nil {
		p = &memoryPackage{reqs: map[ident.Version][]ident.Requirement{}}
		m[name] = p
	}
	p.candidates = append(p.candidates, Candidate{Version: v, Yanked: yanked})
	p.reqs[v] = reqs
}

// releases is the index of a case: package, version, what it depends on.
type releases map[ident.Name]map[string]release

type release struct {
	Deps   map[ident.Name]string `json:"deps"`
	Yanked bool                  `json:"yanked,omitempty"`
}

func (rs releases) provider(t testing.TB) memory {
	t.Helper()
	m := memory{}
	for name, versions := range rs {
		for text, rel := range versions {
			m.add(name, mustVersion(t, text), rel.Yanked, requirements(t, rel.Deps))
		}
	}
	return m
}

func requirements(t testing.TB, deps map[ident.Name]string) []ident.Requirement {
	t.Helper()
	var out []ident.Requirement
	for name, text := range deps {
		out = append(out, ident.Requirement{Name: name, Range: mustRange(t, text)})
	}
	return sortRequirements(out)
}

func roots(t testing.TB, deps map[ident.Name]string) []Root {
	t.Helper()
	var out []Root
	for i, r := range requirements(t, deps) {
		out = append(out, Root{Requirement: r, Where: "openpackage.yml:" + string(rune('3'+i%7))})
	}
	return out
}

func mustVersion(t testing.TB, text string) ident.Version {
	t.Helper()
	v, err := ident.ParseVersion(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustRange(t testing.TB, text string) ident.Range {
	t.Helper()
	r, err := ident.ParseRange(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// chosen is a solution as cases write it.
func chosenVersions(s *Solution) map[ident.Name]string {
	out := map[ident.Name]string{}
	for _, d := range s.Decisions {
		out[d.Name] = d.Version.String()
	}
	return out
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
