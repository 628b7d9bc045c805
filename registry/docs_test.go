package registry

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/openpackage/opkg/ident"
)

func document(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../docs/registry.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// block is the first fenced block in a language.
func block(t *testing.T, language string) string {
	t.Helper()
	m := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```$").FindStringSubmatch(document(t))
	if m == nil {
		t.Fatalf("no block of %s", language)
	}
	return m[1]
}

func TestDocumentedExamples(t *testing.T) {
	text := block(t, "json")
	ix, err := ParseIndex("index.json", "my-pkg", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(ix.Format()); got != text {
		t.Errorf("the example of index.json is not canonical; this is:\n%s", got)
	}
	text = block(t, "yaml")
	git, err := ParseGitIndex("index.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(git.Format()); got != text {
		t.Errorf("the example of index.yml is not canonical; this is:\n%s", got)
	}
}

func TestDocumentedLimits(t *testing.T) {
	text := document(t)
	for constant, value := range map[string]string{
		"registry.MaxIndexSize":    fmt.Sprintf("%d MiB", MaxIndexSize>>20),
		"registry.MaxDependencies": thousands(MaxDependencies),
		"registry.MaxDepth":        thousands(MaxDepth),
		"registry.MaxReference":    thousands(MaxReference) + " bytes",
		"registry.MaxRange":        thousands(MaxRange) + " bytes",
		"registry.MaxText":         thousands(MaxText) + " bytes",
		"registry.MaxArtifactSize": fmt.Sprintf("%d GiB", MaxArtifactSize>>30),
		"ident.MaxName":            thousands(ident.MaxName) + " characters",
		"ident.MaxVersion":         thousands(ident.MaxVersion) + " bytes",
	} {
		if !strings.Contains(text, "| "+value+" | `"+constant+"` |") {
			t.Errorf("the document does not say that %s is %s", constant, value)
		}
	}
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// The documented nginx configuration, but for its TLS, serves what the document promises.
func TestDocumentedNginx(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if os.Getenv("OPKG_REQUIRE") != "" {
			t.Fatal("nginx is not installed")
		}
		t.Skip("nginx is not installed")
	}
	dir := t.TempDir()
	index := manyVersions(100)
	archive := bytes.Repeat([]byte("opkg"), 1000)
	for path, data := range map[string][]byte{"packages/@myorg/demo/index.json": index, "packages/@myorg/demo/1.0.0+b.tgz": archive, "secret.txt": nil} {
		file := filepath.Join(dir, "srv", path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	base := "http://" + startNginx(t, nginx, dir) + "/"

	get := func(path string, header ...string) *http.Response {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	body := func(res *http.Response) []byte {
		data, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	const indexPath, archivePath = "packages/@myorg/demo/index.json", "packages/@myorg/demo/1.0.0+b.tgz"
	res := get(indexPath)
	if res.StatusCode != 200 || res.Header.Get("Cache-Control") != "no-cache" || res.Header.Get("Content-Type") != "application/json" || !bytes.Equal(body(res), index) {
		t.Errorf("index: %s %v", res.Status, res.Header)
	}
	if again := get(indexPath, "If-None-Match", res.Header.Get("ETag")); again.StatusCode != 304 {
		t.Errorf("index with its ETag: %s", again.Status)
	}
	packed := get(indexPath, "Accept-Encoding", "gzip")
	if packed.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("index is not compressed: %v", packed.Header)
	}
	if again := get(indexPath, "Accept-Encoding", "gzip", "If-None-Match", packed.Header.Get("ETag")); again.StatusCode != 304 {
		t.Errorf("compressed index with its ETag: %s", again.Status)
	}
	res = get(archivePath, "Accept-Encoding", "gzip")
	if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") || res.Header.Get("Content-Encoding") != "" || !bytes.Equal(body(res), archive) {
		t.Errorf("archive: %s %v", res.Status, res.Header)
	}
	if res = get(archivePath, "Range", "bytes=4-7"); res.StatusCode != 206 || string(body(res)) != "opkg" {
		t.Errorf("a range of the archive: %s", res.Status)
	}
	for _, path := range []string{"packages/demo/index.json", "packages/@myorg/demo/2.0.0.tgz", "packages/", "secret.txt"} {
		if res := get(path); res.StatusCode != 404 {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

// startNginx serves dir/srv with the documented server block and returns its address.
func startNginx(t *testing.T, nginx, dir string) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	server := regexp.MustCompile(`(?m)^.*ssl_certificate.*\n`).ReplaceAllString(block(t, "nginx"), "")
	server = strings.Replace(server, "listen 443 ssl http2;", "listen "+address+";", 1)
	server = strings.Replace(server, "root /srv/opkg;", "root "+filepath.Join(dir, "srv")+";", 1)
	var paths strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&paths, "%s_temp_path %s;\n", kind, filepath.Join(dir, kind))
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;\n"
	}
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf("%sdaemon off;\nmaster_process off;\npid %[2]s/pid;\nerror_log %[2]s/error.log;\nevents {}\nhttp {\naccess_log off;\n%[3]s%[4]s}\n",
		user, dir, paths.String(), server)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(nginx, "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", conf)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 200 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return address
		}
		time.Sleep(10 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
	t.Fatalf("nginx does not answer: %s%s", out.Bytes(), log)
	return ""
}
