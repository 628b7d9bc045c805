package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/internal/ops"
)

func configCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "show the registries and scopes in effect",
		Long: `Config shows what both config.yml files together say: the registries in search order, the scopes, whose file each comes
from, and where credentials would be taken from. It shows no secret.`,
		Args: args(0, 0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			view, err := w.ShowConfig()
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(configJSON(view))
				return nil
			}
			t := a.columns()
			for _, r := range view.Config.Registries {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.Alias, r.Source, whose(r.Origin), strings.Join(credentialsOf(view, r), ", "))
			}
			for _, s := range view.Config.Scopes {
				fmt.Fprintf(t, "%s\t%s\t%s\t\n", s.Scope, s.Registry.Source, whose(s.Origin))
			}
			for _, m := range view.Config.Mirrors {
				fmt.Fprintf(t, "mirror of %s\t%s\t%s\t%s\n", m.Of, m.Registry.Source, whose(m.Registry.Origin), strings.Join(credentialsOf(view, m.Registry), ", "))
			}
			return t.Flush()
		},
	}
}

// whose says whose file named something.
func whose(o config.Origin) string {
	switch o {
	case config.User:
		return "yours"
	case config.Workspace:
		return "workspace"
	}
	return "built in"
}

// credentialsOf says where credentials for a registry come from, never what they are.
func credentialsOf(view *ops.ConfigView, r config.Registry) []string {
	var out []string
	if r.TokenEnv != "" {
		out = append(out, "token from $"+r.TokenEnv)
	}
	for _, h := range r.HeaderEnv {
		out = append(out, fmt.Sprintf("%s from $%s", h.Header, h.Variable))
	}
	switch from := view.CredentialsOf(r); {
	case from == "opkg login":
		out = append(out, "logged in")
	case from == "", slices.ContainsFunc(out, func(s string) bool { return strings.HasSuffix(s, " from "+from) }):
	case strings.HasPrefix(from, "$"):
		out = append(out, "token from "+from)
	default:
		out = append(out, from)
	}
	return out
}

func configJSON(view *ops.ConfigView) any {
	type registry struct {
		Alias       string   `json:"alias"`
		Source      string   `json:"source"`
		From        string   `json:"from"`
		Credentials []string `json:"credentials"`
	}
	type scope struct {
		Scope  string `json:"scope"`
		Source string `json:"source"`
		From   string `json:"from"`
	}
	type mirror struct {
		Of          string   `json:"of"`
		Source      string   `json:"source"`
		Credentials []string `json:"credentials"`
	}
	out := struct {
		Workspace  string     `json:"workspace,omitempty"`
		Registries []registry `json:"registries"`
		Scopes     []scope    `json:"scopes"`
		Mirrors    []mirror   `json:"mirrors,omitempty"`
	}{Workspace: view.Workspace, Registries: []registry{}, Scopes: []scope{}}
	for _, r := range view.Config.Registries {
		out.Registries = append(out.Registries, registry{r.Alias, string(r.Source), whose(r.Origin), append([]string{}, credentialsOf(view, r)...)})
	}
	for _, s := range view.Config.Scopes {
		out.Scopes = append(out.Scopes, scope{s.Scope, string(s.Registry.Source), whose(s.Origin)})
	}
	for _, m := range view.Config.Mirrors {
		out.Mirrors = append(out.Mirrors, mirror{string(m.Of), string(m.Registry.Source), append([]string{}, credentialsOf(view, m.Registry)...)})
	}
	return out
}
