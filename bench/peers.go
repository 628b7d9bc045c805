package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// subject is one package manager, and where it works.
type subject struct {
	name    string
	cases   []string
	program string
	args    map[string]string // case → arguments
	tools   map[string]string // case → who runs them instead of program
	lists   bool              // its arguments name the file list, of all installed files
	files   map[string]string // of the project, laid once; a name that begins with ~/ is below the home
	env     []string
	copies  []string // of the corpus's projects
	lock    string   // in the project
	target  []string // what warm takes away
	store   []string // what cold and resolve take away besides

	dir    string
	moved  int
	ready  string // the case that the state on the disk is ready for
	failed bool
}

// startPeers lists opkg and the peers that are there.
func startPeers(c config, srv *server) []*subject {
	npmURL := srv.url + strings.TrimPrefix(npmPrefix, "/")
	all := []*subject{
		{
			name: "opkg", program: c.opkg, cases: allCases, copies: []string{"openpackage.yml"}, lock: "opkg.lock", args: opkgArgs,
			files: map[string]string{"~/.openpackage/config.yml": opkgConfig(srv)}, target: []string{"~/.openpackage/registry"},
			store: []string{"~/.openpackage/store", "~/.openpackage/cache"},
		},
		{
			name: "npm", cases: installCases, copies: []string{"package.json"}, lock: "package-lock.json", files: map[string]string{".npmrc": "registry=" + npmURL + "\n"},
			args: addAll(map[string]string{"cold": "ci", "warm": "ci --prefer-offline", "noop": "install --prefer-offline", "resolve": "install --package-lock-only"},
				" --ignore-scripts --no-audit --no-fund --loglevel=error --no-progress"),
			env: []string{"npm_config_cache=%s/home/npm", "npm_config_update_notifier=false", "npm_config_cafile=" + srv.caFile},
		},
		{
			name: "pnpm", cases: installCases, copies: []string{"package.json"}, lock: "pnpm-lock.yaml", files: map[string]string{".npmrc": "registry=" + npmURL + "\n" + npmCA(srv)},
			args: addAll(map[string]string{"cold": "install --frozen-lockfile", "warm": "install --frozen-lockfile", "noop": "install --frozen-lockfile", "resolve": "install --lockfile-only --no-frozen-lockfile"},
				" --ignore-scripts --reporter=silent --config.minimum-release-age=0"),
			env: []string{"npm_config_cafile=" + srv.caFile},
		},
		{
			name: "bun", cases: installCases, copies: []string{"package.json"}, lock: "bun.lock", files: map[string]string{"bunfig.toml": "[install]\nregistry = \"" + npmURL + "\"\n" + bunCA(srv)},
			args: addAll(map[string]string{"cold": "install --frozen-lockfile", "warm": "install --frozen-lockfile", "noop": "install --frozen-lockfile", "resolve": "install --lockfile-only"},
				" --ignore-scripts --no-progress --silent"),
			env: []string{"BUN_INSTALL_CACHE_DIR=%s/home/bun", "DO_NOT_TRACK=1"},
		},
		{
			name: "go", cases: []string{"cold", "warm", "noop"}, copies: []string{"go.mod"}, lock: "go.sum", target: []string{"~/mod/" + strings.TrimSuffix(goModule, "/")},
			args: map[string]string{"cold": "mod download", "warm": "mod download", "noop": "mod download", "resolve": "mod download"},
			env: []string{"GOMODCACHE=%s/home/mod", "GOPROXY=" + srv.url + strings.Trim(goPrefix, "/"), "GONOSUMDB=*", "GOSUMDB=off", "GOFLAGS=-mod=mod -modcacherw",
				"GOTOOLCHAIN=local", "GOWORK=off", "GOTELEMETRY=off", "SSL_CERT_FILE=" + srv.caFile},
		},
	}
	var out []*subject
	for i, s := range all {
		if i > 0 {
			if !slices.Contains(c.peers, s.name) {
				continue
			}
			path, err := exec.LookPath(s.name)
			if err != nil {
				fmt.Fprintf(os.Stderr, "bench: %s is not installed\n", s.name)
				continue
			}
			s.program = path
			s.store = append(s.store, "~")
			if len(s.target) == 0 {
				s.target = []string{"node_modules"}
			}
		}
		out = append(out, s)
	}
	out = append(out, toolsBeside(c, out[0])...)
	for _, s := range out {
		s.dir = filepath.Join(c.work, "run", strings.ReplaceAll(s.name, " ", "-"))
	}
	return out
}

func opkgConfig(srv *server) string {
	text := "registries:\n  default:\n    url: " + srv.url + "\n"
	if srv.caFile != "" {
		text += "    ca-file: " + srv.caFile + "\n"
	}
	return text
}

func npmCA(srv *server) string {
	if srv.caFile == "" {
		return ""
	}
	return "cafile=" + srv.caFile + "\n"
}

func bunCA(srv *server) string {
	if srv.caFile == "" {
		return ""
	}
	return "cafile = \"" + srv.caFile + "\"\n"
}

func addAll(args map[string]string, more string) map[string]string {
	for k := range args {
		args[k] += more
	}
	return args
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// path is where a name of the project, or one below the home, stands.
func (s *subject) path(name string) string {
	if below, ok := strings.CutPrefix(name, "~"); ok {
		return filepath.Join(s.dir, "home", filepath.FromSlash(below))
	}
	return filepath.Join(s.dir, "project", filepath.FromSlash(name))
}

// away moves things out of the way. They are not deleted: on ext4, files are made up to ten times slower for some minutes after many
// were deleted.
func (s *subject) away(names ...string) error {
	for _, name := range names {
		path := s.path(name)
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		s.moved++
		to := filepath.Join(s.dir, "away", strconv.Itoa(s.moved))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.Rename(path, to); err != nil {
			return err
		}
	}
	return nil
}

// lay puts the project's files, and those of the home, where they belong.
func (s *subject) lay(c config) error {
	for _, name := range s.copies {
		data, err := os.ReadFile(filepath.Join(c.work, "corpus", "projects", name))
		if err != nil {
			return err
		}
		if err := write(s.path(name), data); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(s.files) {
		if err := write(s.path(name), []byte(s.files[name])); err != nil {
			return err
		}
	}
	return os.MkdirAll(s.path("~"), 0o755)
}

// measure lays the state that a case begins with, untimed, and runs it.
func (s *subject) measure(ctx context.Context, c config, srv *server, name string) (sample, error) {
	if name == "version" {
		return s.start(ctx, c)
	}
	saved := filepath.Join(s.dir, "lock")
	if s.ready == "" { // never ran
		if err := s.lay(c); err != nil {
			return sample{}, err
		}
		if _, err := s.run(ctx, c, "resolve"); err != nil {
			return sample{}, err
		}
		data, err := os.ReadFile(s.path(s.lock))
		if err != nil {
			return sample{}, err
		}
		if err := write(saved, data); err != nil {
			return sample{}, err
		}
		s.ready = "resolved"
	}
	full := s.ready == "full"
	if !full || name == "cold" || name == "resolve" {
		if err := s.away(append(slices.Clone(s.target), s.store...)...); err != nil {
			return sample{}, err
		}
		if err := s.lay(c); err != nil {
			return sample{}, err
		}
	}
	if name == "resolve" {
		if err := s.away(s.lock); err != nil {
			return sample{}, err
		}
	} else if data, err := os.ReadFile(saved); err != nil {
		return sample{}, err
	} else if err := write(s.path(s.lock), data); err != nil {
		return sample{}, err
	}
	if !full && name != "cold" && name != "resolve" {
		if _, err := s.run(ctx, c, "cold"); err != nil {
			return sample{}, err
		}
	}
	if name == "warm" {
		if err := s.away(s.target...); err != nil {
			return sample{}, err
		}
	}
	if name == "remove" { // nothing names what is installed
		if err := s.away(s.lock); err != nil {
			return sample{}, err
		}
	}
	if s.lists {
		if err := s.list(); err != nil {
			return sample{}, err
		}
	}
	settle()
	if _, err := srv.traffic(ctx); err != nil {
		return sample{}, err
	}
	got, err := s.run(ctx, c, name)
	if err != nil {
		return sample{}, err
	}
	if got.traffic, err = srv.traffic(ctx); err != nil {
		return sample{}, err
	}
	s.ready = "full"
	if name == "resolve" || name == "remove" {
		s.ready = "resolved"
	}
	return got, nil
}

// run is one run of one case.
func (s *subject) run(ctx context.Context, c config, name string) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	program := s.program
	if tool, ok := s.tools[name]; ok {
		program = tool
	}
	cmd := exec.CommandContext(ctx, program, strings.Fields(s.args[name])...)
	cmd.Dir = s.path("")
	home := s.path("~")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CACHE_HOME=" + home + "/.cache", "XDG_DATA_HOME=" + home + "/.local/share",
		"XDG_STATE_HOME=" + home + "/.local/state", "LANG=C.UTF-8", "CI=true"}
	for _, v := range s.env {
		if v = strings.ReplaceAll(v, "%s", s.dir); !strings.HasSuffix(v, "=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	began := time.Now()
	out, err := cmd.CombinedOutput()
	got := sample{wall: time.Since(began)}
	if err != nil {
		return got, fmt.Errorf("%s %s: %w\n%s", s.name, s.args[name], err, out[max(0, len(out)-2000):])
	}
	got.cpu, got.peak = cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), peakOf(cmd.ProcessState)
	return got, nil
}
