package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/internal/badserver"
	"github.com/openpackage/opkg/internal/gitserver"
	"github.com/openpackage/opkg/internal/ops"
	"github.com/openpackage/opkg/internal/origin"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"opkg": main, "opkg-traced": traceMain})
}

var update = os.Getenv("OPKG_UPDATE") != ""

// TestScripts runs the promises of testdata/script, one a file. OPKG_UPDATE=1 rewrites their cmp'd files.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setupScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"registry":  cmdRegistry,
			"publish":   cmdPublish,
			"corrupt":   cmdCorrupt,
			"fault":     cmdFault,
			"samefile":  cmdSameFile,
			"status":    cmdStatus,
			"sed":       cmdSed,
			"age":       cmdAge,
			"serve":     cmdServe,
			"snapshot":  cmdSnapshot,
			"requests":  cmdRequests,
			"badserver": cmdBadServer,
			"gitserver": cmdGitServer,
			"interrupt": cmdInterrupt,
		},
	})
}

// TestErrors provokes the errors of the exit table. What each says, whole, stands in testdata/errors/*.golden, to be read aloud; OPKG_UPDATE=1
// rewrites it.
func TestErrors(t *testing.T) {
	golden, err := filepath.Abs("testdata/errors")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/errors",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Values[toldKey{}] = &told{golden: golden}
			return setupScript(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"registry": cmdRegistry,
			"publish":  cmdPublish,
			"corrupt":  cmdCorrupt,
			"fault":    cmdFault,
			"sed":      cmdSed,
			"tell":     cmdTell,
			"told":     cmdTold,
		},
	})
}

type toldKey struct{}

// told is what a script of errors has provoked so far, and where the golden files are.
type told struct {
	golden string
	text   strings.Builder
}

// changing is what differs from run to run in a message.
var changing = regexp.MustCompile(`(?m)^fetched .*\n|127\.0\.0\.1:[0-9]+|127_0_0_1_P[0-9]+|trying again in [0-9.]+m?s|in [0-9.]+ s\b`)

// cmdTell: tell STATUS opkg ARG... runs opkg, asserts its exit status, and notes what it says.
func cmdTell(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || args[1] != "opkg" {
		ts.Fatalf("usage: tell STATUS opkg ARG...")
	}
	cmdStatus(ts, false, args)
	said := strings.ReplaceAll(ts.ReadFile("stderr"), ts.Getenv("WORK"), "/work")
	said = changing.ReplaceAllStringFunc(said, func(s string) string {
		switch {
		case strings.HasPrefix(s, "fetched "): // before an error or after: two come at once
			return ""
		case strings.HasPrefix(s, "127."):
			return "127.0.0.1:8080"
		case strings.HasPrefix(s, "127_"):
			return "127_0_0_1_P8080"
		}
		return s[:strings.LastIndex(s, "in ")] + "in a moment"
	})
	fmt.Fprintf(&ts.Value(toldKey{}).(*told).text, "$ %s\n%sstatus %s\n\n", strings.Join(args[1:], " "), said, args[0])
}

// cmdTold: told FILE compares what was said with a golden file.
func cmdTold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: told FILE")
	}
	note := ts.Value(toldKey{}).(*told)
	file := filepath.Join(note.golden, args[0])
	if update {
		ts.Check(os.WriteFile(file, []byte(note.text.String()), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	ts.Check(err)
	if got := note.text.String(); got != string(want) {
		ts.Fatalf("said:\n%s\nwant, as in %s:\n%s", got, args[0], want)
	}
}

// setupScript gives each script a home, a workspace and nothing else of this machine.
func setupScript(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	env.Setenv("HOME", home)
	env.Setenv("USERPROFILE", home)
	env.Setenv("OPKG_HOME", "")
	env.Setenv("CI", "")
	env.Setenv("NO_COLOR", "1")
	for name, value := range map[string]string{ // for the repositories that scripts make
		"GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@test", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@test",
		"GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
	} {
		env.Setenv(name, value)
	}
	env.Setenv("INSTALLED", filepath.Join(home, ".openpackage", "registry"))
	env.Setenv("STORE", filepath.Join(home, ".openpackage", "store", "v1"))
	env.Values[serversKey{}] = map[string]*server{}
	env.Values[servedKey{}] = &served{}
	return nil
}

type serversKey struct{}

func servers(ts *testscript.TestScript) map[string]*server {
	return ts.Value(serversKey{}).(map[string]*server)
}

// server is one registry over HTTP, with faults to order and a log of requests.
type server struct {
	bad  *badserver.Server // set alone, for the one that misbehaves
	http *httptest.Server
	dir  string

	mu     sync.Mutex
	log    []string // "GET /path status", and the headers that scripts ask about
	token  string   // bearer token that every request must carry
	faults []fault
	seen   int // requests for archives so far

	hung chan struct{} // a request that waits for its client to go away, as "hang" orders
}

// fault is what happens to the n-th request for an archive (counting from 1), or to all for n == 0.
type fault struct {
	n    int
	path string // with this prefix, whatever n says
	mode string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	archive := strings.HasSuffix(r.URL.Path, ".tgz")
	if archive {
		s.seen++
	}
	mode := ""
	for _, f := range s.faults {
		if f.path != "" {
			if strings.HasPrefix(r.URL.Path, f.path) && archive {
				mode = f.mode
			}
			continue
		}
		if archive && (f.n == 0 || f.n == s.seen) || !archive && f.n == -1 {
			mode = f.mode
		}
	}
	rec := &recorder{ResponseWriter: w, status: 200}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.log = append(s.log, fmt.Sprintf("%s %s %d auth=%q match=%q range=%q encoding=%q", r.Method, r.URL.Path, rec.status,
			r.Header.Get("Authorization"), r.Header.Get("If-None-Match"), r.Header.Get("Range"), r.Header.Get("Accept-Encoding")))
	}()
	if s.token != "" && r.Header.Get("Authorization") != "Bearer "+s.token {
		status := http.StatusUnauthorized
		if r.Header.Get("Authorization") != "" {
			status = http.StatusForbidden
		}
		http.Error(rec, "no", status)
		return
	}
	switch mode {
	case "drop":
		rec.status = 0
		panic(http.ErrAbortHandler)
	case "500", "503", "403", "404":
		code, _ := strconv.Atoi(mode)
		http.Error(rec, "ordered by the script", code)
		return
	case "html":
		fmt.Fprint(rec, "<html><body>Please log in</body></html>")
		return
	case "hang":
		s.hung <- struct{}{}
		<-r.Context().Done()
		return
	case "slow":
		time.Sleep(50 * time.Millisecond)
	case "late403":
		time.Sleep(300 * time.Millisecond)
		http.Error(rec, "ordered by the script", http.StatusForbidden)
		return
	}
	path := filepath.Join(s.dir, filepath.FromSlash(r.URL.Path))
	data, err := os.ReadFile(path)
	if err != nil {
		http.NotFound(rec, r)
		return
	}
	if mode == "truncate" {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = rec.Write(data[:len(data)/2])
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, crc32.ChecksumIEEE(data)))
	http.ServeContent(rec, r, "", time.Time{}, bytes.NewReader(data))
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(code int) {
	r.status = code
	r.ResponseWriter.WriteHeader(code)
}

// cmdRegistry: registry start DIR [token TOKEN] | stop DIR. Start sets $URL_<DIR> to the server's base URL.
func cmdRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: registry start|stop DIR [token TOKEN]")
	}
	name := args[1]
	switch args[0] {
	case "start":
		s := &server{dir: ts.MkAbs(name), hung: make(chan struct{}, 100)}
		if len(args) == 4 && args[2] == "token" {
			s.token = args[3]
		}
		s.http = httptest.NewServer(s)
		ts.Defer(s.http.Close)
		servers(ts)[name] = s
		ts.Setenv("URL_"+strings.ToUpper(name), s.http.URL+"/")
	case "stop":
		s := servers(ts)[name].http
		s.Close()
		free, err := keepPort(s.Listener.Addr().(*net.TCPAddr).Port) // else another script's server may get it, and answer
		ts.Check(err)
		ts.Defer(free)
	default:
		ts.Fatalf("registry %s?", args[0])
	}
}

// cmdBadServer: badserver start | reset | log COUNT REGEXP. Start sets $BAD_A, $BAD_B and $BAD_C to the base URLs of its origins, and
// writes ca.pem. Log asserts how many requests match, one a line: "ORIGIN PATH auth=… key=… range=… match=…".
func cmdBadServer(ts *testscript.TestScript, neg bool, args []string) {
	switch {
	case !neg && len(args) == 1 && args[0] == "start":
		files := func(text string) []archive.File {
			return []archive.File{{Path: "openpackage.yml", Data: []byte("name: demo\nversion: 1.0.0\n")}, {Path: "rules/a.md", Data: []byte(text)}}
		}
		good, err := packed(files(strings.Repeat("good\n", 100)))
		ts.Check(err)
		evil, err := packed(files(strings.Repeat("evil\n", 100)))
		ts.Check(err)
		s := badserver.Start(badserver.Options{Good: good, Evil: evil, Pause: time.Millisecond})
		ts.Defer(s.Close)
		servers(ts)["badserver"] = &server{bad: s}
		for name, url := range map[string]string{"A": s.A, "B": s.B, "C": s.C} {
			ts.Setenv("BAD_"+name, url)
		}
		ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), s.CertPEM, 0o644))
	case !neg && len(args) == 1 && args[0] == "reset":
		servers(ts)["badserver"].bad.Reset()
	case !neg && len(args) == 3 && args[0] == "log":
		var lines []string
		n, re := 0, regexp.MustCompile(args[2])
		for _, r := range servers(ts)["badserver"].bad.Log() {
			line := fmt.Sprintf("%s %s auth=%q key=%q range=%q match=%q", r.Origin, r.Path, r.Authorization, r.APIKey, r.Range, r.IfNoneMatch)
			lines = append(lines, line)
			if re.MatchString(line) {
				n++
			}
		}
		if strconv.Itoa(n) != args[1] {
			ts.Fatalf("%d requests match %s, want %s; all:\n%s", n, args[2], args[1], strings.Join(lines, "\n"))
		}
	default:
		ts.Fatalf("usage: badserver start | reset | log COUNT REGEXP")
	}
}

// cmdGitServer: gitserver start DIR [PASSWORD]. It serves the repositories below DIR and sets $GIT_<DIR> to the base URL, and
// $TOKEN_<DIR> to the name of the variable for its token.
func cmdGitServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || args[0] != "start" {
		ts.Fatalf("usage: gitserver start DIR [PASSWORD]")
	}
	opt := gitserver.Options{}
	if len(args) == 3 {
		opt.Password = args[2]
	}
	s, err := gitserver.Start(ts.MkAbs(args[1]), opt)
	ts.Check(err)
	ts.Defer(s.Close)
	name := strings.ToUpper(strings.Trim(args[1], "."))
	ts.Setenv("GIT_"+name, s.URL)
	o, err := origin.Parse(s.URL)
	ts.Check(err)
	token, _ := auth.TokenVariable(o)
	ts.Setenv("TOKEN_"+name, token)
}

// cmdRequests: requests DIR COUNT REGEXP asserts how many logged requests match, and forgets the log.
func cmdRequests(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: requests DIR COUNT REGEXP")
	}
	s := servers(ts)[args[0]]
	re := regexp.MustCompile(args[2])
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, line := range s.log {
		if re.MatchString(line) {
			n++
		}
	}
	if strconv.Itoa(n) != args[1] {
		ts.Fatalf("%d requests match %s, want %s; all:\n%s", n, args[2], args[1], strings.Join(s.log, "\n"))
	}
}

// cmdFault: fault DIR N|all|index|/PATH MODE orders a fault for the n-th request for an archive, or none: fault DIR none.
func cmdFault(ts *testscript.TestScript, neg bool, args []string) {
	s := servers(ts)[args[0]]
	s.mu.Lock()
	defer s.mu.Unlock()
	if args[1] == "none" {
		s.faults = nil
		return
	}
	f := fault{mode: args[2]}
	switch args[1] {
	case "all":
	case "index":
		f.n = -1
	default:
		if strings.HasPrefix(args[1], "/") {
			f.path = args[1]
			break
		}
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		f.n = s.seen + n
	}
	s.faults = append(s.faults, f)
}

// cmdInterrupt: interrupt DIR FILE COMMAND... runs a command and interrupts it as a person does when the registry in DIR hangs. It must end
// with status 130; FILE gets what it says on stderr.
func cmdInterrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || args[2] != "opkg" {
		ts.Fatalf("usage: interrupt DIR FILE opkg ARG...")
	}
	exe, err := os.Executable()
	ts.Check(err)
	cmd := exec.Command(exe, args[3:]...)
	cmd.Args[0] = "opkg"
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "USERPROFILE", "PATH", "CI", "NO_COLOR", "OPKG_HOME"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	servers(ts)[args[0]].http.CloseClientConnections() // of a command before, which may have asked for two things at once
	for len(servers(ts)[args[0]].hung) > 0 {
		<-servers(ts)[args[0]].hung
	}
	ts.Check(cmd.Start())
	ts.Defer(func() { _ = cmd.Process.Kill() })
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-servers(ts)[args[0]].hung:
		ts.Check(cmd.Process.Signal(os.Interrupt))
		err = <-ended
	case err = <-ended:
	}
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		ts.Fatalf("exit status %d, %v, want 130\n%s", code, err, &stderr)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), stderr.Bytes(), 0o644))
}

// cmdPublish: publish DIR NAME@VERSION [DEP@RANGE]... packs a small package into the registry in DIR and indexes it.
func cmdPublish(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: publish DIR NAME@VERSION [DEP@RANGE | DEP=git:URL]...")
	}
	dir := ts.MkAbs(args[0])
	name, version := cutLast(args[1], "@")
	var m strings.Builder
	fmt.Fprintf(&m, "name: %q\nversion: %s\n", name, version)
	if len(args) > 2 {
		m.WriteString("dependencies:\n")
	}
	for _, d := range args[2:] {
		if dep, url, ok := strings.Cut(d, "=git:"); ok {
			fmt.Fprintf(&m, "- name: %q\n  git: %q\n", dep, url)
			continue
		}
		dep, rng := cutLast(d, "@")
		fmt.Fprintf(&m, "- name: %q\n  version: %q\n", dep, rng)
	}
	files := []archive.File{
		{Path: "openpackage.yml", Data: []byte(m.String())},
		{Path: "rules/rule.md", Data: []byte("# " + name + " " + version + "\n\nA rule.\n")},
		{Path: "scripts/run.sh", Data: []byte("#!/bin/sh\necho " + name + "\n"), Exec: true},
	}
	tgz, err := packed(files)
	ts.Check(err)
	path := filepath.Join(dir, "packages", filepath.FromSlash(name), version+".tgz")
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(os.WriteFile(path, tgz, 0o644))
	w := &ops.World{Dir: dir}
	if _, err = w.IndexRegistry(context.Background(), dir); neg == (err == nil) {
		ts.Fatalf("publish %s: %v", args[1], err)
	}
	if err != nil {
		ts.Logf("%v", err)
	}
}

// packed is an archive of files whose Data is set.
func packed(files []archive.File) ([]byte, error) {
	for i := range files {
		files[i].Size = int64(len(files[i].Data))
	}
	var b bytes.Buffer
	err := archive.Write(&b, files, nil)
	return b.Bytes(), err
}

func cutLast(s, sep string) (before, after string) {
	i := strings.LastIndex(s, sep)
	if i <= 0 {
		return s, ""
	}
	return s[:i], s[i+len(sep):]
}

// cmdCorrupt: corrupt FILE flips one bit in the middle of a file, whatever its mode.
func cmdCorrupt(ts *testscript.TestScript, neg bool, args []string) {
	for _, a := range args {
		path := ts.MkAbs(a)
		fi, err := os.Stat(path)
		ts.Check(err)
		data, err := os.ReadFile(path)
		ts.Check(err)
		data[len(data)/2] ^= 1
		ts.Check(os.Chmod(path, 0o644))
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		ts.Check(err)
		_, err = f.WriteAt(data, 0)
		ts.Check(err)
		ts.Check(f.Close())
		ts.Check(os.Chmod(path, fi.Mode().Perm()))
	}
}

// cmdSameFile: samefile A B asserts that two names are one file.
func cmdSameFile(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: samefile A B")
	}
	a, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	b, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if os.SameFile(a, b) == neg {
		ts.Fatalf("samefile %s %s: %v", args[0], args[1], neg)
	}
}

// cmdStatus: status N COMMAND... runs a command and asserts its exit status.
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND...")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// cmdSed: sed FILE OLD NEW replaces text, which must be there.
func cmdSed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: sed FILE OLD NEW")
	}
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	if !strings.Contains(string(data), args[1]) {
		ts.Fatalf("%s has no %q:\n%s", args[0], args[1], data)
	}
	ts.Check(os.WriteFile(path, []byte(strings.ReplaceAll(string(data), args[1], args[2])), 0o644))
}

// served is an opkg serve under way.
type served struct {
	cmd    *exec.Cmd
	stderr *bytes.Buffer
}

type servedKey struct{}

// cmdServe: serve start DIR [FLAGS...] | serve stop. Start sets $SERVED to the server's URL, and $SERVED_TOKEN to the name of the variable that
// holds a token for it; stop interrupts it, and fails unless it ends with status 0.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	box := ts.Value(servedKey{}).(*served)
	switch {
	case !neg && len(args) >= 2 && args[0] == "start":
		exe, err := os.Executable()
		ts.Check(err)
		cmd := exec.Command(exe, append([]string{"serve", args[1], "--addr", "127.0.0.1:0"}, args[2:]...)...)
		cmd.Args[0] = "opkg"
		cmd.Dir = ts.MkAbs(".")
		for _, name := range []string{"HOME", "PATH", "OPKG_HOME", "TOKEN"} {
			cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
		}
		stdout, err := cmd.StdoutPipe()
		ts.Check(err)
		*box = served{cmd, &bytes.Buffer{}}
		cmd.Stderr = box.stderr
		ts.Check(cmd.Start())
		ts.Defer(func() { _ = cmd.Process.Kill() })
		url, err := bufio.NewReader(stdout).ReadString('\n')
		if err != nil {
			ts.Fatalf("%v\n%s", err, box.stderr)
		}
		url = strings.TrimSpace(url)
		ts.Setenv("SERVED", url)
		port := url[strings.LastIndexByte(url, ':')+1:]
		ts.Setenv("SERVED_TOKEN", "OPKG_TOKEN_127_0_0_1_P"+strings.TrimSuffix(port, "/"))
	case !neg && len(args) == 1 && args[0] == "stop":
		ts.Check(box.cmd.Process.Signal(os.Interrupt))
		if err := box.cmd.Wait(); err != nil {
			ts.Fatalf("%v\n%s", err, box.stderr)
		}
		if strings.Contains(box.stderr.String(), "s3cret") {
			ts.Fatalf("a secret is shown:\n%s", box.stderr)
		}
	default:
		ts.Fatalf("usage: serve start DIR [FLAGS...] | serve stop")
	}
}

// cmdAge: age PATH... makes all files below look an hour old.
func cmdAge(ts *testscript.TestScript, neg bool, args []string) {
	then := time.Now().Add(-time.Hour)
	for _, arg := range args {
		ts.Check(filepath.Walk(ts.MkAbs(arg), func(path string, fi os.FileInfo, err error) error {
			if err != nil || fi.IsDir() {
				return err
			}
			return os.Chtimes(path, then, then)
		}))
	}
}

// cmdSnapshot: snapshot take NAME DIR... remembers every file below the directories; snapshot same NAME asserts that
// nothing changed since: names, bytes, modes, modification times.
func cmdSnapshot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: snapshot take NAME DIR... | snapshot same NAME DIR...")
	}
	var b strings.Builder
	for _, dir := range args[2:] {
		top := ts.MkAbs(dir)
		var lines []string
		err := filepath.Walk(top, func(path string, fi os.FileInfo, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil {
				return err
			}
			line := fmt.Sprintf("%s %v", path, fi.Mode())
			if fi.Mode().IsRegular() {
				data, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				line += fmt.Sprintf(" %d %v %x", fi.Size(), fi.ModTime().UnixNano(), crc32.ChecksumIEEE(data))
			}
			lines = append(lines, line)
			return nil
		})
		ts.Check(err)
		slices.Sort(lines)
		b.WriteString(strings.Join(lines, "\n"))
	}
	key := "SNAPSHOT_" + args[1]
	switch args[0] {
	case "take":
		ts.Setenv(key, b.String())
	case "same":
		if was := ts.Getenv(key); was != b.String() {
			ts.Fatalf("changed from:\n%s\nto:\n%s", was, b.String())
		}
	}
}
