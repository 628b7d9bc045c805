package solver

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
)

// With -cases, TestCases runs the named files instead of those in testdata:
//
//	go test ./solver -run TestCases -args -cases FILE...
//
// A file holds a list of cases, one case ({root, locked, index}; the rest of a case's keys are
// optional), or an object of indexes with queries (like testdata/large.json.gz); it may be gzip'd. What fails is
// printed by id. Relative names are relative to the directory that the command was given in where that
// holds them, else to this one.
var casesFlag = flag.Bool("cases", false, "run the files that follow instead of those in testdata")

// testCase is one row of a case file.
type testCase struct {
	ID      string                  `json:"id"`
	Name    string                  `json:"name"`
	Index   releases                `json:"index"`
	Root    map[ident.Name]string   `json:"root"`
	Locked  map[ident.Name]string   `json:"locked"`
	Unlock  []ident.Name            `json:"unlock"`
	Accept  string                  `json:"accept"` // exact, valid, conflict; "": whatever is right
	Expect  map[ident.Name]string   `json:"expect"`
	Ideal   map[ident.Name]string   `json:"ideal"`
	Pareto  []map[ident.Name]string `json:"pareto_front"`
	KeptMax *int                    `json:"locked_kept_max"`

	MustMention    []string `json:"must_mention"`
	MustNotMention []string `json:"must_not_mention"`

	Satisfiable *bool `json:"satisfiable"`

	prov memory // of Index, where several cases share it
}

func (c *testCase) provider(t testing.TB) memory {
	if c.prov == nil {
		c.prov = c.Index.provider(t)
	}
	return c.prov
}

func TestCases(t *testing.T) {
	files := []string{"testdata/cases.json", "testdata/fuzz.json.gz", "testdata/large.json.gz"}
	if *casesFlag {
		if files = flag.Args(); len(files) == 0 {
			t.Fatal("-cases needs files behind it")
		}
	}
	for _, file := range files {
		cases := readCases(t, file)
		if testing.Short() && len(cases) > 500 {
			cases = cases[:200]
		}
		failed := 0
		for _, c := range cases {
			if err := c.run(t); err != nil {
				failed++
				t.Errorf("%s: %s (%s): %v", filepath.Base(file), c.ID, c.Name, err)
			}
		}
		t.Logf("%s: %d cases, %d failed", file, len(cases), failed)
	}
}

func readCases(t *testing.T, file string) []*testCase {
	t.Helper()
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) && !filepath.IsAbs(file) && os.Getenv("PWD") != "" {
		data, err = os.ReadFile(filepath.Join("..", file))
	}
	if err != nil {
		t.Fatal(err)
	}
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if data, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	var list []*testCase
	if json.Unmarshal(data, &list) == nil {
		return list
	}
	var one testCase
	if err := json.Unmarshal(data, &one); err == nil && one.Index != nil {
		if one.ID == "" {
			one.ID = cmp.Or(one.Name, filepath.Base(file))
		}
		return []*testCase{&one}
	}
	var groups map[string]struct {
		Index   releases
		Queries []*testCase
	}
	if err := json.Unmarshal(data, &groups); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		prov := groups[name].Index.provider(t)
		for i, q := range groups[name].Queries {
			q.ID, q.prov = fmt.Sprintf("%s/%d", name, i), prov
			list = append(list, q)
		}
	}
	return list
}

func (c *testCase) problem(t testing.TB) Problem {
	p := Problem{Root: roots(t, c.Root), Unlock: c.Unlock, Locked: map[ident.Name]ident.Version{}}
	for name, v := range c.Locked {
		p.Locked[name] = mustVersion(t, v)
	}
	return p
}

// run solves the case and says what is wrong with the answer.
func (c *testCase) run(t *testing.T) error {
	prov := c.provider(t)
	sol, err := Solve(context.Background(), c.problem(t), prov, Options{})
	var none *NoSolutionError
	switch {
	case errors.As(err, &none):
		if c.Accept == "conflict" || c.Accept == "" && (c.Satisfiable == nil || !*c.Satisfiable) {
			return c.checkMessage(none)
		}
		return fmt.Errorf("no solution was found: %v", err)
	case err != nil:
		return err
	case c.Accept == "conflict" || c.Satisfiable != nil && !*c.Satisfiable:
		return fmt.Errorf("there is no solution, and this was found: %s", toJSON(chosenVersions(sol)))
	}
	got := chosenVersions(sol)
	if err := valid(t, c.problem(t), prov, sol); err != nil {
		return fmt.Errorf("%s is not valid: %w", toJSON(got), err)
	}
	if c.Accept == "exact" && c.Expect != nil && !maps.Equal(got, c.Expect) {
		return fmt.Errorf("got %s, want %s", toJSON(got), toJSON(c.Expect))
	}
	if c.KeptMax != nil {
		if kept := c.kept(got); kept < *c.KeptMax {
			return fmt.Errorf("%s keeps %d locked versions, %d can be kept", toJSON(got), kept, *c.KeptMax)
		}
	}
	if c.Ideal != nil && !maps.Equal(got, c.Ideal) {
		return fmt.Errorf("got %s, the ideal is %s", toJSON(got), toJSON(c.Ideal))
	}
	if c.Pareto != nil && len(c.Locked) == 0 && !slices.ContainsFunc(c.Pareto, func(p map[ident.Name]string) bool { return maps.Equal(got, p) }) {
		return fmt.Errorf("%s is beaten by another; the best are %s", toJSON(got), toJSON(c.Pareto))
	}
	return nil
}

func (c *testCase) checkMessage(none *NoSolutionError) error {
	text := none.Error()
	for _, word := range c.MustMention {
		if !strings.Contains(text, word) {
			return fmt.Errorf("the message does not mention %q:\n%s", word, text)
		}
	}
	for _, word := range c.MustNotMention {
		if strings.Contains(text, word) {
			return fmt.Errorf("the message mentions %q:\n%s", word, text)
		}
	}
	return nil
}

func (c *testCase) kept(got map[ident.Name]string) int {
	n := 0
	for name, v := range c.Locked {
		if got[name] == v && !slices.Contains(c.Unlock, name) {
			n++
		}
	}
	return n
}

// valid checks a solution against the rules: every requirement holds, every package is needed.
func valid(t testing.TB, p Problem, prov Provider, sol *Solution) error {
	t.Helper()
	chosen := map[ident.Name]Decision{}
	for _, d := range sol.Decisions {
		chosen[d.Name] = d
	}
	reached := map[ident.Name]bool{}
	var visit func(by string, r ident.Requirement) error
	visit = func(by string, r ident.Requirement) error {
		if o, ok := p.Overrides[r.Name]; ok {
			r.Range = o
		}
		d, ok := chosen[r.Name]
		if !ok || !r.Range.Contains(d.Version) {
			return fmt.Errorf("%s requires %s %s, chosen is %q", by, r.Name, r.Range, d.Version)
		}
		if reached[r.Name] {
			return nil
		}
		reached[r.Name] = true
		reqs, err := prov.Requirements(context.Background(), d.Name, d.Version)
		if err != nil {
			return err
		}
		for _, q := range reqs {
			if err := visit(string(d.Name), q); err != nil {
				return err
			}
		}
		return nil
	}
	for _, r := range p.Root {
		if err := visit("the root", r.Requirement); err != nil {
			return err
		}
	}
	for name := range chosen {
		if !reached[name] {
			return fmt.Errorf("nothing requires %s", name)
		}
	}
	return nil
}
