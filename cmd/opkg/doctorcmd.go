package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/internal/ops"
)

func doctorCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "look at what opkg depends on: home, file system, registries, credentials, clock",
		Long: `Doctor looks at the home directory and its file system, at which opkg the PATH gives, at the lock, and asks each registry; it says where
credentials come from, and shows none. It ends with 1 if it finds a problem; a warning is none.`,
		Args: args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			exe, err := os.Executable()
			if err != nil {
				return err
			}
			found := w.Doctor(cmd.Context(), os.Getenv("PATH"), exe)
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			problems := 0
			for _, f := range found {
				if f.Verdict == ops.Wrong {
					problems++
				}
			}
			err = nil
			if problems > 0 {
				err = &sickError{problems}
			}
			if a.json {
				a.printJSON(doctorJSON(found, problems))
				return a.shown(err)
			}
			for _, f := range found {
				a.renderFinding(f)
			}
			return err
		},
	}
}

func (a *app) renderFinding(f ops.Finding) {
	colour := map[ops.Verdict]string{ops.Fine: green, ops.Odd: yellow, ops.Wrong: red}[f.Verdict]
	fmt.Fprintf(a.stdout, "%s %s: %s\n", a.paint(a.stdout, colour, fmt.Sprintf("%-8s", f.Verdict)), f.Topic, message(f.Text))
	if f.Hint != "" {
		fmt.Fprintf(a.stdout, "%-8s %s\n", "", a.paint(a.stdout, dim, "hint: "+message(f.Hint)))
	}
}

// sickError says that doctor found problems.
type sickError struct{ problems int }

func (e *sickError) Error() string { return count(e.problems, "problem") + " found" }

func doctorJSON(found []ops.Finding, problems int) any {
	type finding struct {
		Topic   string `json:"topic"`
		Verdict string `json:"verdict"`
		Text    string `json:"text"`
		Hint    string `json:"hint,omitempty"`
	}
	out := struct {
		OK       bool      `json:"ok"`
		Version  buildJSON `json:"version"`
		Findings []finding `json:"findings"`
	}{OK: problems == 0, Version: build(), Findings: []finding{}}
	for _, f := range found {
		out.Findings = append(out.Findings, finding{f.Topic, string(f.Verdict), f.Text, f.Hint})
	}
	return out
}
