package solver

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
)

// go test ./solver -run TestProofs -update writes the expected texts anew.
var update = flag.Bool("update", false, "write the golden files of proofs anew")

// TestProofs holds the message of each conflict in testdata/proofs. A file is a problem, a line "-- message --", and
// what is said about it:
//
//	# what it shows
//	root a ^1.0.0             a requirement of the root's, at the line of the file openpackage.yml that it has here; or: dev a ^1.0.0
//	override a 1.0.0          locked a 1.0.0          unlock a
//	a 1.0.0: b ^2.0.0, c *    a version and its dependencies
//	a 1.1.0 yanked:
func TestProofs(t *testing.T) {
	files, err := filepath.Glob("testdata/proofs/*.txt")
	if err != nil || len(files) < 18 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(data), "-- message --\n")
			p, prov := parseProblem(t, input)
			got := messageOf(t, p, prov)
			for seed := range uint64(8) {
				if again := messageOf(t, p, shuffled{prov, seed}); again != got {
					t.Fatalf("with answers in another order:\n%s\ninstead of:\n%s", again, got)
				}
			}
			if *update {
				if err := os.WriteFile(file, []byte(input+"-- message --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// messageOf is the error and its hints, as cmd/opkg prints them.
func messageOf(t *testing.T, p Problem, prov Provider) string {
	t.Helper()
	sol, err := Solve(context.Background(), p, prov, Options{})
	var none *NoSolutionError
	if !errors.As(err, &none) {
		t.Fatalf("got %v, %v, want no solution", sol, err)
	}
	if none.Proof != nil {
		if err := checkProof(p, prov, none.Proof); err != nil {
			t.Errorf("the proof does not hold: %v\n%s", err, none.Full())
		}
	}
	text := none.Error() + "\n"
	for _, h := range none.Hints() {
		text += "hint: " + h + "\n"
	}
	return text
}

// TestProofsHold checks the proof of every case that has no solution.
func TestProofsHold(t *testing.T) {
	n, flat, longest := 0, 0, 0
	for _, file := range []string{"testdata/cases.json", "testdata/fuzz.json.gz", "testdata/large.json.gz"} {
		cases := readCases(t, file)
		if testing.Short() {
			cases = cases[:min(len(cases), 200)]
		}
		for _, c := range cases {
			p, prov := c.problem(t), c.provider(t)
			var none *NoSolutionError
			if _, err := Solve(context.Background(), p, prov, Options{}); !errors.As(err, &none) {
				continue
			}
			n++
			if none.Proof == nil {
				flat++
				continue
			}
			longest = max(longest, len(none.Proof.Lines()))
			if err := checkProof(p, prov, none.Proof); err != nil {
				t.Errorf("%s: %s: %v\n%s", file, c.ID, err, none.Full())
			}
		}
	}
	t.Logf("%d proofs, %d told as clashes, the longest of %d sentences", n, flat, longest)
	if n == 0 || flat > 0 {
		t.Errorf("%d proofs, %d without", n, flat)
	}
}

func parseProblem(t *testing.T, text string) (Problem, memory) {
	t.Helper()
	p := Problem{Locked: map[ident.Name]ident.Version{}, Overrides: map[ident.Name]ident.Range{}, OverrideWhere: map[ident.Name]string{}}
	prov := memory{}
	for i, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		head, deps, isVersion := strings.Cut(line, ": ")
		if !isVersion {
			head, isVersion = strings.CutSuffix(line, ":")
		}
		words := strings.Fields(head)
		where := fmt.Sprintf("openpackage.yml:%d", i+1)
		if isVersion {
			var reqs []ident.Requirement
			for _, d := range strings.FieldsFunc(deps, func(r rune) bool { return r == ',' }) {
				name, rng, _ := strings.Cut(strings.TrimSpace(d), " ")
				reqs = append(reqs, ident.Requirement{Name: ident.Name(name), Range: mustRange(t, rng)})
			}
			prov.add(ident.Name(words[0]), mustVersion(t, words[1]), len(words) > 2, sortRequirements(reqs))
			continue
		}
		words = strings.SplitN(line, " ", 3)
		name := ident.Name(words[1])
		switch words[0] {
		case "root", "dev":
			p.Root = append(p.Root, Root{Requirement: ident.Requirement{Name: name, Range: mustRange(t, words[2])}, Where: where, Dev: words[0] == "dev"})
		case "override":
			p.Overrides[name], p.OverrideWhere[name] = mustRange(t, words[2]), where
		case "locked":
			p.Locked[name] = mustVersion(t, words[2])
		case "unlock":
			p.Unlock = append(p.Unlock, name)
		default:
			t.Fatalf("line %d: %q", i+1, line)
		}
	}
	return p, prov
}

// shuffled answers in another order, now and then late.
type shuffled struct {
	memory
	seed uint64
}

func (s shuffled) rand(name ident.Name, more string) *rand.Rand {
	h := s.seed
	for _, c := range string(name) + more {
		h = h*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(s.seed, h))
}

func (s shuffled) Versions(ctx context.Context, name ident.Name) ([]Candidate, error) {
	cs, err := s.memory.Versions(ctx, name)
	cs = slices.Clone(cs)
	r := s.rand(name, "")
	r.Shuffle(len(cs), func(i, j int) { cs[i], cs[j] = cs[j], cs[i] })
	for range r.IntN(50) {
		runtime.Gosched()
	}
	return cs, err
}

func (s shuffled) Requirements(ctx context.Context, name ident.Name, v ident.Version) ([]ident.Requirement, error) {
	reqs, err := s.memory.Requirements(ctx, name, v)
	reqs = slices.Clone(reqs)
	r := s.rand(name, v.String())
	r.Shuffle(len(reqs), func(i, j int) { reqs[i], reqs[j] = reqs[j], reqs[i] })
	for range r.IntN(50) {
		runtime.Gosched()
	}
	return reqs, err
}

// checkProof looks at every step: what is given must be so, what is derived must follow from its two causes, whatever is chosen.
func checkProof(p Problem, prov Provider, proof *Proof) error {
	for i, s := range proof.Steps {
		var err error
		if s.Cause == Derived {
			if s.Because[0] >= i || s.Because[1] >= i {
				return fmt.Errorf("step %d follows from later ones", i)
			}
			err = checkDerived(prov, &s, &proof.Steps[s.Because[0]], &proof.Steps[s.Because[1]])
		} else {
			err = checkGiven(p, prov, &s)
		}
		if err != nil {
			return fmt.Errorf("step %d: %s: %w", i, s.statement(), err)
		}
	}
	if last := proof.Steps[len(proof.Steps)-1]; len(last.Terms) > 0 {
		return fmt.Errorf("it ends with %s", last.statement())
	}
	return nil
}

// holds reports whether the incompatibility has all its terms true where name has version v ("" is none), for that name alone;
// ok is false where it has no term on the name.
func (inc *Incompatibility) holds(name ident.Name, v ident.Version) (holds, ok bool) {
	for _, t := range inc.Terms {
		if t.Package == name {
			return slices.Contains(t.Versions, v) != t.Not, true
		}
	}
	return true, false
}

// checkDerived: wherever all terms of s hold, all of a or all of b must. The two are resolved on one package, so that has to be
// looked at for each package by itself: for at most one may neither imply alone.
func checkDerived(prov Provider, s, a, b *Incompatibility) error {
	names := map[ident.Name]bool{}
	for _, x := range []*Incompatibility{s, a, b} {
		for _, t := range x.Terms {
			names[t.Package] = true
		}
	}
	split := 0
	for name := range names {
		states := []ident.Version{{}}
		cs, _ := prov.Versions(context.Background(), name)
		for _, c := range cs {
			states = append(states, c.Version)
		}
		both, either := true, true
		for _, v := range states {
			if in, _ := s.holds(name, v); !in {
				continue
			}
			inA, _ := a.holds(name, v)
			inB, _ := b.holds(name, v)
			both = both && inA && inB
			either = either && (inA || inB)
		}
		if !both {
			split++
		}
		if !either && !yankedAway(name, cs) {
			return fmt.Errorf("it does not follow, for %s", name)
		}
	}
	if split > 1 {
		return fmt.Errorf("it is resolved on %d packages", split)
	}
	return nil
}

// yankedAway: versions that are never chosen stand in no term.
func yankedAway(_ ident.Name, cs []Candidate) bool {
	return slices.ContainsFunc(cs, func(c Candidate) bool { return c.Yanked })
}

// checkGiven: whoever is said to need something needs it, of each version.
func checkGiven(p Problem, prov Provider, s *Incompatibility) error {
	allowed := func(q ident.Requirement) error {
		rng := q.Range
		if o, ok := p.Overrides[q.Name]; ok {
			rng = o
		}
		cs, _ := prov.Versions(context.Background(), q.Name)
		for _, c := range cs {
			if bad, ok := s.holds(q.Name, c.Version); rng.Contains(c.Version) && !c.Yanked && ok && bad && s.Need.By != q.Name {
				return fmt.Errorf("%s %s would do", q.Name, c.Version)
			}
		}
		return nil
	}
	if s.Cause == FromRoot {
		for _, q := range p.Root {
			if q.Name == s.Need.Package && q.Where == s.Need.Where {
				return allowed(q.Requirement)
			}
		}
		return errors.New("the root does not ask for it")
	}
	for _, v := range s.Need.by.Versions {
		reqs, _ := prov.Requirements(context.Background(), s.Need.By, v)
		i := slices.IndexFunc(reqs, func(q ident.Requirement) bool { return q.Name == s.Need.Package })
		if i < 0 {
			return fmt.Errorf("%s %s does not depend on it", s.Need.By, v)
		}
		if err := allowed(reqs[i]); err != nil {
			return err
		}
	}
	return nil
}
