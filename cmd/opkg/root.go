package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/openpackage/opkg/internal/nearest"
)

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "opkg",
		Short: "install coding-agent configuration from your own registries, reproducibly",
		Long: `opkg installs packages of coding-agent configuration (rules, commands, agents, skills, MCP settings)
from registries that a team hosts itself.

openpackage.yml says what a workspace wants; opkg lock solves that and writes opkg.lock; opkg sync
brings exactly those bytes to a machine.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if asked, _ := cmd.Flags().GetBool("version"); asked {
				a.printVersion()
				return nil
			}
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{msg: err.Error(), hint: flagHint(cmd, err)}
	})
	root.Flags().Bool("version", false, "print the version")
	f := root.PersistentFlags()
	f.StringVarP(&a.dir, "directory", "C", "", "work as if started in `DIR`")
	f.BoolVar(&a.offline, "offline", false, "make no request: use the store and cached indexes alone")
	f.BoolVar(&a.json, "json", false, "print the result as JSON on stdout")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "print errors and warnings alone")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "print every request")
	f.BoolVar(&a.noProgress, "no-progress", false, "print no progress line")
	f.StringVar(&a.color, "color", "auto", "colour the output: `WHEN` is auto, always or never")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		paceCollector(paceOf(cmd.Name()))
		switch a.color {
		case "auto", "always", "never":
			return nil
		}
		return usagef("--color is %q, not auto, always or never", a.color)
	}
	group := func(title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: title, Title: title + ":"})
		for _, c := range commands {
			c.GroupID = title
			root.AddCommand(c)
		}
	}
	group("Change what a workspace has",
		initCmd(a),
		a.completingSpecs(addCmd(a)),
		a.completing(removeCmd(a), -1, required),
		a.completingSpecs(installCmd(a)),
		lockCmd(a),
		syncCmd(a),
		a.completing(upgradeCmd(a), -1, locked),
	)
	group("Look at it",
		a.completing(outdatedCmd(a), -1, locked),
		listCmd(a),
		treeCmd(a),
		a.completing(whyCmd(a), 1, locked),
		a.completing(pathCmd(a), 1, locked),
		searchCmd(a),
		a.completingSpecs(infoCmd(a)),
		verifyCmd(a),
	)
	group("Make packages and registries",
		newCmd(a),
		packCmd(a),
		publishCmd(a),
		yankCmd(a),
		registryCmd(a),
		serveCmd(a),
	)
	group("Look after this machine",
		configCmd(a),
		a.completingAliases(loginCmd(a)),
		a.completingAliases(logoutCmd(a)),
		doctorCmd(a),
		cacheCmd(a),
		gcCmd(a),
		completionCmd(a),
	)
	root.AddCommand(versionCmd(a), exitStatusTopic())
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() { // cobra's own answers an unknown topic with status 0
		if c.Name() == "help" {
			c.Short = "show help for a command, or a topic"
			c.Args = func(_ *cobra.Command, topic []string) error {
				if found, rest, err := root.Find(topic); err != nil || found == root && len(topic) > 0 || len(rest) > 0 && len(topic) > 0 {
					return unknownCommand(root, topic[0])
				}
				return nil
			}
		}
	}
	return root
}

// flagHint says which flag was perhaps meant.
func flagHint(cmd *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if near := nearest.Word(unknown.GetSpecifiedName(), names); near != "" {
			return fmt.Sprintf("did you mean --%s?", near)
		}
	}
	return fmt.Sprintf("%s --help lists the flags", cmd.CommandPath())
}

// elsewhere are commands of other package managers, and what does the same here.
var elsewhere = map[string]string{
	"audit":     "verify",
	"ci":        "sync --locked",
	"deprecate": "yank",
	"explain":   "why",
	"fetch":     "sync",
	"i":         "install",
	"ls":        "list",
	"rm":        "remove",
	"show":      "info",
	"uninstall": "remove",
	"unpublish": "yank",
	"update":    "upgrade",
	"view":      "info",
}

// unknownCommand says which command was perhaps meant: what another package manager calls by that name, or else one that is spelt alike.
func unknownCommand(parent *cobra.Command, name string) error {
	unknown := &usageError{msg: fmt.Sprintf("%s has no command %q", parent.CommandPath(), name), hint: parent.CommandPath() + " --help lists its commands"}
	if !parent.HasParent() {
		if same, ok := elsewhere[name]; ok {
			unknown.hint = fmt.Sprintf("did you mean %s %s?", parent.CommandPath(), same)
			return unknown
		}
		unknown.hint = "opkg help lists the commands"
	}
	var names, near []string
	for _, c := range parent.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		names = append(names, c.Name())
		if strings.HasPrefix(c.Name(), name) {
			near = append(near, c.Name())
		}
	}
	if word := nearest.Word(name, names); len(near) == 0 && word != "" {
		near = []string{word}
	}
	if len(near) > 0 {
		unknown.hint = fmt.Sprintf("did you mean %s %s?", parent.CommandPath(), strings.Join(near, " or "+parent.CommandPath()+" "))
	}
	return unknown
}

// args checks how many arguments a command takes; most < 0 is no bound.
func args(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		switch {
		case len(given) < least:
			return &usageError{msg: fmt.Sprintf("%s needs %s", cmd.CommandPath(), what), hint: "usage: " + cmd.UseLine()}
		case most >= 0 && len(given) > most:
			return &usageError{msg: fmt.Sprintf("%s takes %s, not %q too", cmd.CommandPath(), what, given[most]), hint: "usage: " + cmd.UseLine()}
		}
		return nil
	}
}

// exitStatusTopic is "opkg help exit-status", written from the table that decides.
func exitStatusTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("What the exit status of opkg means:\n\n    0  done\n")
	for status := 1; status <= 130; status++ {
		for _, r := range exitRules {
			if r.status == status {
				fmt.Fprintf(&b, "%5d  %s\n", r.status, r.meaning)
			}
		}
	}
	return &cobra.Command{Use: "exit-status", Short: "what the exit status means", Long: b.String()}
}
