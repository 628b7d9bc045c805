package site

import (
	"bytes"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// TestGitHubMarkdown holds what is our own against goldmark's extensions, where these do as GitHub does.
func TestGitHubMarkdown(t *testing.T) {
	theirs := goldmark.New(goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)),
		extension.Strikethrough, extension.TaskList, extension.Linkify))
	ours := goldmark.New(goldmark.WithExtensions(github{}))
	for _, doc := range []string{
		"| foo | bar |\n| --- | --- |\n| baz | bim |\n",
		"| abc | defghi |\n:-: | -----------:\nbar | baz\n",
		"| f\\|oo  |\n| ------ |\n| b `x` az |\n| b **\\|** im |\n",
		"| abc | def |\n| --- | --- |\n| bar | baz |\n> bar\n",
		"| abc | def |\n| --- | --- |\n| bar | baz |\nbar\n\nbar\n",
		"| abc | def |\n| --- |\n| bar |\n",
		"| abc | def |\n| --- | --- |\n| bar |\n| bar | baz | boo |\n",
		"| abc | def |\n| --- | --- |\n",
		"before\n|a|b|\n|:-|-:|\n|c|d|\nafter\n\n- |a|\n  |-|\n  |*b* <https://e.org>|\n\n> |a|\n> |-|\n",
		"a | b\n- | -\n  c  |  d  \n||\n|\n",
		"|a|\n|b|\n", "a\n-\n", "|a|\n    |-|\n", "|a|\n|-:-|\n", "|a|b|\r\n|-|-|\r\n|c|d|\r\n",
		"~~Hi~~ Hello, ~there~ world! ~~~no~~~", "This ~~has a\n\nnew paragraph~~.", "a ~ b ~ c, ~~*d*~~ and *~~e~~*\n",
		"- [ ] foo\n- [x] bar\n  - [X] *baz*\n- [y] no\n- text [x] no\n\n1. [ ] one\n\n[x] no\n",
		"www.commonmark.org", "Visit www.commonmark.org/help for more.", "Visit www.commonmark.org.\n\nVisit www.commonmark.org/a.b.",
		"www.google.com/search?q=Markup+(business)\n\n(www.google.com/search?q=Markup+(business))\n\n(www.google.com/search?q=(a)b)",
		"www.google.com/search?q=commonmark&hl=en\n\nwww.google.com/search?q=commonmark&hl;", "www.commonmark.org/he<lp",
		"http://commonmark.org\n\n(Visit https://encrypted.google.com/search?q=Markup+(business))", "foo@bar.baz", "hello+xyz@mail.example, a.b-c_d@a.b",
		"a.b-c_d@a.b-\n\na.b-c_d@a.b_\n", "*https://e.org* _https://e.org/a_b_ [a www.e.org b](https://e.org) `www.e.org`", "xhttps://e.org a@b @c.d e@",
	} {
		var got, want bytes.Buffer
		if err := ours.Convert([]byte(doc), &got); err != nil {
			t.Fatal(err)
		}
		if err := theirs.Convert([]byte(doc), &want); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Errorf("%q gives\n%s\nand with goldmark's extensions\n%s", doc, got.String(), want.String())
		}
	}
}

// TestGitHubMarkdownOfOurs is what is better than there.
func TestGitHubMarkdownOfOurs(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"|a|\n|-|\n|`b\\|c\\|d` `\\|`|", "<table>\n<thead>\n<tr>\n<th>a</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td><code>b|c|d</code> <code>|</code></td>\n</tr>\n</tbody>\n</table>\n"},
		{"`a\\|b`", "<p><code>a\\|b</code></p>\n"},
		{"- [x](https://e.org)", "<ul>\n<li><a href=\"https://e.org\">x</a></li>\n</ul>\n"},
		{"~a~~ b", "<p>~a~~ b</p>\n"},
		{"see ftp://e.org/x, http://u:p@e.org/ and https://e.org/%zz", "<p>see ftp://e.org/x, http://u:p@e.org/ and https://e.org/%zz</p>\n"}, // no text is lost
		{"www.a_b.org http://a_b.c http://x.a.b_c. https://a.b.", "<p>www.a_b.org http://a_b.c http://x.a.b_c. <a href=\"https://a.b\">https://a.b</a>.</p>\n"},
	} {
		if got := string(Markdown([]byte(c.in), "pkg")); got != c.want {
			t.Errorf("%q gives\n%s\nwant\n%s", c.in, got, c.want)
		}
	}
}

// TestMarkdownThatCosts renders READMEs which are made to cost much: each must end, and be no longer than it deserves.
func TestMarkdownThatCosts(t *testing.T) {
	for name, readme := range map[string]string{
		"columns":   strings.Repeat("|", 20_000) + "|\n" + strings.Repeat("|-", 20_000) + "|\n" + strings.Repeat("a\n", 30_000),
		"mailboxes": strings.Repeat("_a", MaxReadme/2),
		"links":     strings.Repeat("(http://a.b/%zz", MaxReadme/15),
		"domains":   strings.Repeat("(www.a_b.c_d.", MaxReadme/13),
	} {
		if out := Markdown([]byte(readme), "pkg"); len(out) > 20*MaxReadme {
			t.Errorf("%s: %d bytes of %d", name, len(out), len(readme))
		}
	}
}
