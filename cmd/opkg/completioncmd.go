package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/ops"
)

func completionCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "print a completion script for a shell",
		Long: `Completion prints a script that completes commands, flags, names of packages and aliases of registries.

    bash        mkdir -p ~/.local/share/bash-completion/completions
                opkg completion bash > ~/.local/share/bash-completion/completions/opkg
    zsh         mkdir -p ~/.zsh/completions
                opkg completion zsh > ~/.zsh/completions/_opkg
                and in ~/.zshrc, before compinit: fpath=(~/.zsh/completions $fpath)
    fish        mkdir -p ~/.config/fish/completions
                opkg completion fish > ~/.config/fish/completions/opkg.fish
    PowerShell  opkg completion powershell | Out-String | Invoke-Expression`,
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      args(1, 1, "one shell"),
		RunE: func(cmd *cobra.Command, given []string) error {
			root := cmd.Root()
			switch given[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.stdout)
			}
			return &usageError{msg: "there is no completion for " + given[0], hint: "shells: bash, zsh, fish, powershell"}
		},
	}
}

// completing offers names for the arguments of a command, without any request. Each is offered once.
func (a *app) completing(cmd *cobra.Command, most int, of func(ops.Known) []ident.Name) *cobra.Command {
	cmd.ValidArgsFunction = func(_ *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
		w, err := a.world()
		if err != nil || most >= 0 && len(given) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		for _, name := range of(w.Known()) {
			if s := string(name); strings.HasPrefix(s, begun) && !slices.Contains(given, s) && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// What may stand as an argument.
func locked(k ops.Known) []ident.Name   { return k.Locked }
func required(k ops.Known) []ident.Name { return k.Required }
func seen(k ops.Known) []ident.Name     { return k.Seen }

// completingSpecs offers [ALIAS/]NAME for the arguments of a command.
func (a *app) completingSpecs(cmd *cobra.Command) *cobra.Command {
	a.completing(cmd, -1, seen)
	names := cmd.ValidArgsFunction
	cmd.ValidArgsFunction = func(c *cobra.Command, given []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		w, err := a.world()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		prefix := ""
		if alias, rest, ok := strings.Cut(begun, "/"); ok && !strings.HasPrefix(begun, "@") {
			prefix, begun = alias+"/", rest
		}
		out, directive := names(c, given, begun)
		for i := range out {
			out[i] = prefix + out[i]
		}
		if prefix == "" {
			for _, alias := range w.Known().Aliases {
				if strings.HasPrefix(alias, begun) {
					out = append(out, alias+"/")
					directive |= cobra.ShellCompDirectiveNoSpace
				}
			}
		}
		return out, directive
	}
	return cmd
}

// completingAliases offers the aliases of registries.
func (a *app) completingAliases(cmd *cobra.Command) *cobra.Command {
	cmd.ValidArgsFunction = func(_ *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
		w, err := a.world()
		if err != nil || len(given) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		for _, alias := range w.Known().Aliases {
			if strings.HasPrefix(alias, begun) {
				out = append(out, alias)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}
