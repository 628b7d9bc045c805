package solver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
)

// A proof is told in sentences, each of which draws one conclusion from the one before it, from what is given, and from earlier
// sentences, which are then quoted with their number. The form is that of Dart's pub.

// maxLines is how many sentences, and how many clashes, a message shows.
const maxLines = 16

func (e *NoSolutionError) Error() string { return e.text(maxLines) }

// Full is Error with nothing left out.
func (e *NoSolutionError) Full() string { return e.text(0) }

// Hints are Advice.
func (e *NoSolutionError) Hints() []string { return e.Advice }

func (e *NoSolutionError) text(limit int) string {
	const head = "no set of versions satisfies all requirements:\n"
	if e.Proof == nil {
		shown, more := e.Clashes, ""
		if limit > 0 && len(shown) > limit {
			shown, more = shown[:limit], fmt.Sprintf("\n(and %d more; -v or --json shows all)", len(shown)-limit)
		}
		if len(shown) == 0 {
			return strings.TrimSuffix(head, ":\n") + "; the reason is too long to tell"
		}
		return head + "(why is too long to tell; these requirements clash)\n" + strings.Join(shown, "\n") + more
	}
	lines := e.Proof.Lines()
	if limit > 0 && len(lines) > limit {
		lines = slices.Concat([]string{fmt.Sprintf("(%d sentences that lead here are left out; -v or --json shows all)", len(lines)-limit)}, lines[len(lines)-limit:])
	}
	return head + strings.Join(lines, "\n")
}

// Lines tells the proof, a sentence a line, the conclusion last.
func (p *Proof) Lines() []string {
	t := teller{steps: p.Steps, uses: make([]int, len(p.Steps)), number: map[int]int{}, line: map[int]int{}}
	last := len(p.Steps) - 1
	for _, s := range p.Steps {
		if s.Cause == Derived {
			t.uses[s.Because[0]]++
			t.uses[s.Because[1]]++
		}
	}
	if p.Steps[last].Cause == Derived {
		t.visit(last, false)
	} else {
		t.write(last, "Because %s, %s", p.Steps[last].Need.clause())
	}
	return t.lines
}

// teller writes sentences.
type teller struct {
	steps  []Incompatibility
	uses   []int       // by step: how many follow from it
	number map[int]int // by step: what its sentence is quoted by
	line   map[int]int // by step: its sentence
	lines  []string
}

func (t *teller) derived(i int) bool { return t.steps[i].Cause == Derived }

// write adds the sentence that concludes step i; form takes what it follows from and the conclusion.
func (t *teller) write(i int, form, because string) {
	text := fmt.Sprintf(form, because, t.steps[i].statement())
	if i == len(t.steps)-1 && len(t.lines) > 0 {
		text = strings.Replace(text, "Because ", "So, because ", 1)
		text = strings.Replace(text, "And because ", "So, because ", 1)
	}
	t.line[i] = len(t.lines)
	t.lines = append(t.lines, strings.ReplaceAll(text, "every version of every version of", "every version of")+".")
}

// name gives the sentence of step i a number.
func (t *teller) name(i int) {
	if t.number[i] > 0 {
		return
	}
	t.number[i] = len(t.number) + 1
	t.lines[t.line[i]] += fmt.Sprintf(" (%d)", t.number[i])
}

// told is what step i says, with its number where it has been concluded.
func (t *teller) told(i int) string {
	if n := t.number[i]; n > 0 {
		return fmt.Sprintf("%s (%d)", t.steps[i].statement(), n)
	}
	return t.given(i)
}

// visit tells why step i, which is derived, holds; with named, it will be quoted by its number.
func (t *teller) visit(i int, named bool) {
	left, right := t.steps[i].Because[0], t.steps[i].Because[1]
	switch {
	case t.derived(left) && t.derived(right):
		t.both(i, left, right)
	case t.derived(left):
		t.oneGiven(i, left, right)
	case t.derived(right):
		t.oneGiven(i, right, left)
	default:
		t.write(i, "Because %s, %s", t.pair(left, right))
	}
	if named || t.uses[i] > 1 {
		t.name(i)
	}
}

// both tells what follows from two conclusions.
func (t *teller) both(i, left, right int) {
	switch l, r := t.number[left] > 0, t.number[right] > 0; {
	case l && r:
		t.write(i, "Because %s, %s", joined(t.told(left), t.told(right)))
		return
	case l:
		left, right = right, left
		fallthrough
	case r:
		t.visit(left, false)
		t.write(i, "And because %s, %s", t.told(right))
		return
	}
	// The longer story first: the shorter stands between it and what follows from both.
	if t.length(left) < t.length(right) {
		left, right = right, left
	}
	t.visit(left, true)
	if t.number[right] > 0 { // told on the way
		t.write(i, "Because %s, %s", joined(t.told(left), t.told(right)))
		return
	}
	t.visit(right, false)
	t.write(i, "And because %s, %s", t.told(left))
}

// oneGiven tells what follows from a conclusion and what is given.
func (t *teller) oneGiven(i, derived, given int) {
	if t.number[derived] > 0 {
		t.write(i, "Because %s, %s", joined(t.given(given), t.told(derived)))
		return
	}
	if further, also, ok := t.collapsible(derived); ok {
		t.visit(further, false)
		t.write(i, "And because %s, %s", t.pair(also, given))
		return
	}
	t.visit(derived, false)
	t.write(i, "And because %s, %s", t.given(given))
}

// collapsible reports whether step i, used once, follows from a conclusion that is not told yet and from what is given, so that
// it needs no sentence of its own.
func (t *teller) collapsible(i int) (further, given int, ok bool) {
	if t.uses[i] > 1 {
		return 0, 0, false
	}
	a, b := t.steps[i].Because[0], t.steps[i].Because[1]
	if t.derived(b) {
		a, b = b, a
	}
	if !t.derived(a) || t.derived(b) || t.number[a] > 0 {
		return 0, 0, false
	}
	return a, b, true
}

// length is how many conclusions lead to step i, itself too, those shared counted each time; at most 1000.
func (t *teller) length(i int) int {
	n := 0
	var walk func(i int)
	walk = func(i int) {
		if n < 1000 && t.derived(i) && t.number[i] == 0 {
			n++
			walk(t.steps[i].Because[0])
			walk(t.steps[i].Because[1])
		}
	}
	walk(i)
	return n
}

func (t *teller) given(i int) string { return t.steps[i].Need.clause() }

// pair is two given things in one breath: the user's own requirement last, and what depends on what in one chain.
func (t *teller) pair(i, j int) string {
	a, b := t.steps[i].Need, t.steps[j].Need
	switch {
	case a.By == "" && b.By == "":
		if byPlace(a.Where, b.Where) > 0 {
			a, b = b, a
		}
		return "your workspace requires both " + joined(a.rooted(), b.rooted())
	case t.leadsTo(i, j):
		return a.clause() + ", which" + b.verb() + b.wanted()
	case t.leadsTo(j, i):
		return b.clause() + ", which" + a.verb() + a.wanted()
	case a.By == "" || b.By != "" && b.By < a.By:
		a, b = b, a
	}
	return joined(a.clause(), b.clause())
}

// joined keeps a subordinate clause from taking in what follows.
func joined(a, b string) string {
	if strings.Contains(a, ", ") {
		return a + ", and " + b
	}
	return a + " and " + b
}

// rooted is what the root requires, with its place.
func (n *Need) rooted() string {
	text := named(n.Package, n.Range)
	if at := n.place(); at != "" {
		text += " (" + at + ")"
	}
	return text + strings.TrimPrefix(n.wanted(), named(n.Package, n.Range))
}

// leadsTo reports whether all that step i wants depends on what step j says.
func (t *teller) leadsTo(i, j int) bool {
	a, b := t.steps[i].Need, t.steps[j].Need
	if a.Package != b.By || a.By == b.By || a.Fit != Fits || a.Override != "" || a.varied {
		return false
	}
	k := slices.IndexFunc(t.steps[i].Terms, func(x Term) bool { return x.Not && x.Package == b.By })
	return k >= 0 && !slices.ContainsFunc(t.steps[i].Terms[k].Versions, func(v ident.Version) bool {
		return !slices.Contains(b.by.Versions, v)
	})
}
