package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/internal/ops"
)

func verifyCmd(a *app) *cobra.Command {
	var opt ops.VerifyOptions
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "audit what is on this machine against opkg.lock",
		Long: `Verify reads every file of every locked package, in the version directories and in the store, and compares its content with
opkg.lock alone: a store that was tampered with does not vouch for itself. It writes nothing, takes no lock, and needs no network. One line a
problem, and exit status 5.

--online also asks each registry what it says of the locked versions today. Another digest is a problem; a version that is yanked or gone, or a
name that a registry which goes before has now too, is said and is none.

--repair removes what is damaged in the store, fetches it again, makes the version directories anew, and then verifies again. What opkg did not
make stays as it is: opkg sync --force replaces it.

--all needs no workspace: it audits the whole store, and every version directory that opkg made or adopted. Where the
store does not remember any, it warns of how many were not judged.`,
		Args: args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case opt.Online && a.offline:
				return usagef("--online asks the registries, and --offline forbids it: give one of them")
			case opt.Online && opt.All:
				return usagef("--online asks about the packages of a lock, and --all needs none: give one of them")
			case opt.NoDev && opt.All:
				return usagef("--no-dev leaves out packages of a lock, and --all needs none: give one of them")
			}
			w, err := a.world()
			if err != nil {
				return err
			}
			res, err := w.Verify(cmd.Context(), opt)
			if res == nil {
				return err
			}
			if a.json {
				a.printJSON(verifyJSON(res, err))
				return a.shown(err)
			}
			a.renderVerify(res, err)
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVar(&opt.Online, "online", false, "also ask each registry whether it still says the same")
	f.BoolVar(&opt.Repair, "repair", false, "put the locked bytes back, then verify again")
	f.BoolVar(&opt.All, "all", false, "audit the whole store and all that opkg installed, without a workspace")
	f.BoolVar(&opt.NoDev, "no-dev", false, "leave out what only dev-dependencies need")
	return cmd
}

// shown marks an error whose JSON stands on stdout already, in the result.
func (a *app) shown(err error) error {
	if err == nil {
		return nil
	}
	return &partlyError{err, err.Error()}
}

func (a *app) renderVerify(res *ops.VerifyResult, err error) {
	for _, p := range res.Repaired {
		fmt.Fprintln(a.stdout, a.paint(a.stdout, yellow, "was wrong: ")+message(p.String()))
	}
	for _, p := range res.Notices {
		fmt.Fprintf(a.stderr, "%s %s\n", a.paint(a.stderr, yellow, "opkg: warning:"), message(p.String()))
	}
	for _, p := range res.Problems {
		fmt.Fprintln(a.stdout, message(p.String()))
	}
	text := fmt.Sprintf("%s, %s, %s read in %s", count(res.Packages, "package"), count(res.Files, "file"), size(res.Bytes), seconds(time.Since(a.start)))
	switch {
	case err != nil:
	case len(res.Repaired) > 0:
		text += ": " + count(len(res.Repaired), "problem") + " repaired, all as locked now"
	default:
		text += ": all as locked"
	}
	a.note("%s", text)
}

func verifyJSON(res *ops.VerifyResult, err error) any {
	type problem struct {
		Name     string `json:"name,omitempty"`
		Version  string `json:"version,omitempty"`
		Where    string `json:"where"`
		Path     string `json:"path"`
		Expected string `json:"expected"`
		Found    string `json:"found"`
	}
	list := func(from []ops.Problem) []problem {
		out := []problem{}
		for _, p := range from {
			j := problem{Where: string(p.Where), Path: p.Path, Expected: p.Expected, Found: p.Found}
			if p.Name != "" {
				j.Name, j.Version = string(p.Name), p.Version.String()
			}
			out = append(out, j)
		}
		return out
	}
	out := struct {
		OK         bool           `json:"ok"`
		Packages   int            `json:"packages"`
		Files      int            `json:"files"`
		Blobs      int            `json:"blobs"`
		Bytes      int64          `json:"bytes"`
		Absent     int            `json:"absent"`
		Unanswered int            `json:"unanswered"`
		Problems   []problem      `json:"problems"`
		Notices    []problem      `json:"notices"`
		Repaired   []problem      `json:"repaired"`
		Error      map[string]any `json:"error,omitempty"`
	}{err == nil, res.Packages, res.Files, res.Blobs, res.Bytes, res.Absent, res.Unanswered, list(res.Problems), list(res.Notices), list(res.Repaired), nil}
	if _, only := err.(*ops.DamagedError); err != nil && !only {
		out.Error = errorJSON(err, ruleFor(err))
	}
	return out
}
