package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestCLIDocs holds docs/cli.md and docs/opkg.1 against the commands that they are generated from. OPKG_UPDATE=1 writes them.
func TestCLIDocs(t *testing.T) {
	root := newRoot(newApp(strings.NewReader(""), io.Discard, io.Discard))
	root.InitDefaultHelpFlag()
	for file, want := range map[string]string{"cli.md": cliMarkdown(root), "opkg.1": manPage(root)} {
		path := filepath.Join("..", "..", "docs", file)
		if update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, []byte(want)) {
			t.Errorf("docs/%s is not what the commands say: run OPKG_UPDATE=1 go test ./cmd/opkg -run TestCLIDocs", file)
		}
	}
}

// commandsOf lists the commands that do something, in the order of the program, parents before children.
func commandsOf(cmd *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, c := range cmd.Commands() {
		if c.Hidden || c.Name() == "help" {
			continue
		}
		if c.Runnable() {
			out = append(out, c)
		}
		out = append(out, commandsOf(c)...)
	}
	return out
}

// about is what a command says of itself at length, without its examples' indentation, and its other names.
func about(cmd *cobra.Command) string {
	text := strings.TrimSpace(cmd.Long)
	if text == "" {
		text = strings.ToUpper(cmd.Short[:1]) + cmd.Short[1:] + "."
	}
	for _, alias := range cmd.Aliases {
		text += fmt.Sprintf("\n\nopkg %s is the same.", alias)
	}
	return text
}

// flagsOf are a set's flags as "-x, --name VALUE" and what each does.
func flagsOf(set *pflag.FlagSet) (out [][2]string) {
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		spelt := "--" + f.Name
		if f.Shorthand != "" {
			spelt = "-" + f.Shorthand + ", " + spelt
		}
		if value != "" {
			spelt += " " + value
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" && f.DefValue != "0s" {
			usage += " (default " + f.DefValue + ")"
		}
		out = append(out, [2]string{spelt, usage})
	})
	return out
}

func cliMarkdown(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Commands\n\nThis page is generated from the commands themselves; `opkg help COMMAND` prints the same.\n\n| command | does |\n|---|---|\n")
	all := commandsOf(root)
	for _, c := range all {
		anchor := strings.ReplaceAll(c.CommandPath(), " ", "-")
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", c.CommandPath(), anchor, c.Short)
	}
	flags := func(set *pflag.FlagSet) {
		list := flagsOf(set)
		if len(list) == 0 {
			return
		}
		b.WriteString("\n| flag | does |\n|---|---|\n")
		for _, f := range list {
			fmt.Fprintf(&b, "| `%s` | %s |\n", f[0], strings.ReplaceAll(f[1], "|", `\|`))
		}
	}
	b.WriteString("\n## Everywhere\n")
	flags(root.PersistentFlags())
	b.WriteString("\n`NO_COLOR` switches colour off. `OPKG_HOME` moves `~/.openpackage`. With `CI` set (and neither `0` nor `false`), `opkg sync` acts as with `--locked`.\n")
	for _, c := range all {
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n```\n\n%s\n", c.CommandPath(), c.UseLine(), markdownText(about(c)))
		flags(c.LocalNonPersistentFlags())
	}
	b.WriteString("\n## Exit status\n\n| status | means |\n|---|---|\n| 0 | done |\n")
	for status := 1; status <= 130; status++ {
		for _, r := range exitRules {
			if r.status == status {
				fmt.Fprintf(&b, "| %d | %s |\n", r.status, r.meaning)
			}
		}
	}
	return b.String()
}

// markdownText fences the paragraphs that help indents.
func markdownText(s string) string {
	blocks := strings.Split(s, "\n\n")
	for i, block := range blocks {
		if strings.HasPrefix(block, "  ") {
			indent := block[:len(block)-len(strings.TrimLeft(block, " "))]
			block = strings.ReplaceAll("\n"+block, "\n"+indent, "\n")
			blocks[i] = "```" + block + "\n```"
		}
	}
	return strings.Join(blocks, "\n\n")
}

func manPage(root *cobra.Command) string {
	var b strings.Builder
	esc := strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace
	text := func(s string) {
		for i, block := range strings.Split(s, "\n\n") {
			if i > 0 {
				b.WriteString(".PP\n")
			}
			code := strings.HasPrefix(block, "  ")
			if code {
				b.WriteString(".RS 4\n.nf\n")
			}
			for _, line := range strings.Split(block, "\n") {
				b.WriteString(guard(esc(strings.TrimSpace(line))) + "\n")
			}
			if code {
				b.WriteString(".fi\n.RE\n")
			}
		}
	}
	flags := func(set *pflag.FlagSet) {
		for _, f := range flagsOf(set) {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", esc(f[0]), guard(esc(f[1])))
		}
	}
	b.WriteString(".TH OPKG 1\n.SH NAME\nopkg \\- " + esc(root.Short) + "\n.SH SYNOPSIS\n.B opkg\n.I COMMAND\n[FLAGS]\n.SH DESCRIPTION\n")
	text(about(root))
	b.WriteString(".SH COMMANDS\n")
	for _, c := range commandsOf(root) {
		fmt.Fprintf(&b, ".SS %s\n", esc(c.UseLine()))
		text(about(c))
		flags(c.LocalNonPersistentFlags())
	}
	b.WriteString(".SH OPTIONS\n")
	flags(root.PersistentFlags())
	b.WriteString(".SH EXIT STATUS\n.TP\n.B 0\ndone\n")
	for status := 1; status <= 130; status++ {
		for _, r := range exitRules {
			if r.status == status {
				fmt.Fprintf(&b, ".TP\n.B %d\n%s\n", r.status, guard(esc(r.meaning)))
			}
		}
	}
	b.WriteString(".SH FILES\n.TP\n.I openpackage.yml\nwhat a workspace wants\n.TP\n.I opkg.lock\nwhat was solved\n.TP\n.I ~/.openpackage\nconfiguration, store and installed packages; OPKG_HOME moves it\n")
	return b.String()
}

// guard keeps text from being read as a request of roff.
func guard(s string) string {
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		return `\&` + s
	}
	return s
}
