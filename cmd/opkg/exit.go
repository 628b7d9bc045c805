package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/internal/ops"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/solver"
	"github.com/openpackage/opkg/sources"
	"github.com/openpackage/opkg/sources/git"
)

// An exitRule says which errors end with which status. Help, docs and tests read the same table.
type exitRule struct {
	status  int
	name    string // for --json
	meaning string
	matches func(error) bool
}

// exitRules are tried in order: the first that matches an error decides.
var exitRules = []exitRule{
	{130, "interrupted", "interrupted", is(errInterrupted)},
	{2, "usage", "wrong use, or a malformed file of yours (manifest, config, lock)", anyOf(
		as[*usageError], as[*ops.SpecError], as[*ops.GitSpecError], as[*ops.NoWorkspaceError], as[*ops.ExistsError], as[*ops.AliasError], as[*ops.NotRequiredError],
		as[*ops.LocalError], as[*ops.FileError], as[*ops.PackageError], as[*ops.ServeError], as[*git.PushError], as[*ops.NotRegistryError], as[*ops.NotOursError], as[*manifest.Error], as[*config.Error], as[*lock.Error], as[*sources.PinError], as[*auth.FileError])},
	{3, "stale", "the lock is missing, stale or not closed", anyOf(as[*lock.StaleError], as[*lock.NotClosedError], as[*ops.NoLockError])},
	{4, "no-solution", "no set of versions satisfies all requirements", anyOf(as[*solver.NoSolutionError], as[*ops.ClashError])},
	{5, "integrity", "something is not what was promised: checksum, tree, unsafe archive, malformed registry data, source not allowed", anyOf(
		as[*ident.MismatchError], as[*archive.UnsafeError], as[*registry.Error], as[*sources.NotAllowedError], as[*ops.DamagedError], as[*ops.FaultyRegistryError], as[*ops.RepublishError], as[*ops.OrphanError], as[*ops.LostArchivesError])},
	{6, "not-found", "not found: no registry has it, or the lock does not", anyOf(as[*sources.NotFoundError], as[*sources.NoSearchError], as[*ops.NotLockedError], as[*ops.NotInstalledError], as[*ops.UnpublishedError], as[*ops.NoRootError],
		as[*ops.NoReleaseError], as[*ops.AllYankedError], as[*git.RefNotFoundError], as[*ops.NoTagsError])},
	{7, "unreachable", "a registry cannot be reached, or TLS failed", anyOf(as[*sources.UnavailableError], as[*ops.OfflineError])},
	{8, "unauthorized", "a registry refuses the credentials, or wants some", as[*auth.Error]},
	{9, "busy", "another opkg holds the store", as[*cas.BusyError]},
	{1, "failure", "any other failure", func(error) bool { return true }},
}

func as[T error](err error) bool {
	var t T
	return errors.As(err, &t)
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func anyOf(rules ...func(error) bool) func(error) bool {
	return func(err error) bool {
		for _, r := range rules {
			if r(err) {
				return true
			}
		}
		return false
	}
}

// ruleFor finds the rule of an error.
func ruleFor(err error) exitRule {
	for _, r := range exitRules {
		if r.matches(err) {
			return r
		}
	}
	panic("the last rule matches everything")
}

var errInterrupted = errors.New("interrupted")

// usageError is wrong use of the command line.
type usageError struct {
	msg  string
	hint string
}

func (e *usageError) Error() string { return e.msg }
func (e *usageError) Hint() string  { return e.hint }

func usagef(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...)} // run adds the hint
}

// hintsOf collects what an error advises: one Hint, or several Hints, or what to do about an error of the system.
func hintsOf(err error) []string {
	var many interface{ Hints() []string }
	if errors.As(err, &many) {
		return many.Hints()
	}
	var one interface{ Hint() string }
	if errors.As(err, &one) && one.Hint() != "" {
		return []string{one.Hint()}
	}
	if hint := diskHint(err); hint != "" {
		return []string{hint}
	}
	switch {
	case as[*archive.UnsafeError](err):
		return []string{"nothing of it was kept: tell whoever published it"}
	case as[*registry.Error](err) && strings.Contains(err.Error(), "HTML page"):
		return []string{"a page for people answers there, perhaps one to sign in: check the registry's URL (opkg config shows it)"}
	case as[*registry.Error](err):
		return []string{"tell the registry's owner, who can ask opkg registry check"}
	}
	return nil
}

// report prints an error in the one form that opkg's errors have, and returns the exit status.
func (a *app) report(err error) int {
	if err == nil && a.out.err != nil {
		err = fmt.Errorf("write to standard output: %w", a.out.err)
	}
	if err == nil {
		return 0
	}
	rule := ruleFor(err)
	var partly *partlyError
	shown := errors.As(err, &partly)
	if a.json && !shown {
		a.printJSON(map[string]any{"error": errorJSON(err, rule)})
	}
	if shown {
		fmt.Fprintf(a.stderr, "%s %s\n", a.paint(a.stderr, red, "opkg: error:"), message(partly.msg))
		return rule.status
	}
	a.printError(err)
	return rule.status
}

// printError prints an error and its hints.
func (a *app) printError(err error) {
	fmt.Fprintf(a.stderr, "%s %s\n", a.paint(a.stderr, red, "opkg: error:"), message(a.textOf(err)))
	for _, hint := range hintsOf(err) {
		fmt.Fprintf(a.stderr, "%s %s\n", a.paint(a.stderr, cyan, "opkg: hint:"), message(hint))
	}
}

// textOf is what an error says; with -v, a proof whole.
func (a *app) textOf(err error) string {
	if none := (*solver.NoSolutionError)(nil); a.verbose && errors.As(err, &none) {
		return strings.Replace(err.Error(), none.Error(), none.Full(), 1)
	}
	return err.Error()
}

func errorJSON(err error, rule exitRule) map[string]any {
	out := map[string]any{"status": rule.status, "kind": rule.name, "message": err.Error()}
	if hints := hintsOf(err); len(hints) > 0 {
		out["hints"] = hints
	}
	var none *solver.NoSolutionError
	if errors.As(err, &none) {
		out["proof"] = none
	}
	return out
}

// message makes text fit for a terminal: further lines are set off, and whatever could drive a terminal is escaped, should it
// have come this far.
func message(s string) string {
	var b strings.Builder
	for _, r := range strings.TrimRight(s, "\n") {
		switch {
		case r == '\n':
			b.WriteString("\n  ")
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// printJSON writes one JSON document to stdout.
func (a *app) printJSON(v any) {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // what cannot be written is reported at the end
}
