package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// traffic is what the server has seen.
type traffic struct{ Requests, Connections, RoundTrips int64 }

// meter counts requests, and how many of them came one after another.
type meter struct {
	rtt time.Duration

	mu      sync.Mutex
	seen    traffic
	answers []answered // that the client may not have yet, oldest first
	known   int64      // the most round trips to an answer that it may have
}

// answered is an answer that took so many round trips.
type answered struct {
	at         time.Time
	roundTrips int64
}

// begin counts a request: it takes one round trip more than the answers that came before it was sent. The caller calls done after
// its answer.
func (m *meter) begin() (done func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for arrived := time.Now().Add(-m.rtt); len(m.answers) > 0 && !m.answers[0].at.After(arrived); m.answers = m.answers[1:] {
		m.known = max(m.known, m.answers[0].roundTrips)
	}
	n := m.known + 1
	m.seen.Requests++
	m.seen.RoundTrips = max(m.seen.RoundTrips, n)
	return func() {
		m.mu.Lock()
		m.answers = append(m.answers, answered{time.Now(), n})
		m.mu.Unlock()
	}
}

func (m *meter) connected() {
	m.mu.Lock()
	m.seen.Connections++
	m.mu.Unlock()
}

// take returns what was seen, and begins anew.
func (m *meter) take() traffic {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := m.seen
	m.seen, m.answers, m.known = traffic{}, nil, 0
	return seen
}

// hello is the first line that the server's process writes.
type hello struct{ URL, CAFile string }

// trafficPath answers with what the server has seen since it was last asked.
const trafficPath = "/-/traffic"

// serveCorpus serves the files below dir until its standard input ends. It is a process of its own, so that what it costs is not
// counted as the subjects'. With latency it speaks TLS, and each byte is delayed by half of it in either direction; HTTP/2 too, unless http1 is set.
func serveCorpus(ctx context.Context, dir string, latency time.Duration, http1 bool, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	m := &meter{rtt: latency}
	files := http.FileServer(http.Dir(dir))
	mux := http.NewServeMux()
	mux.HandleFunc(trafficPath, func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(m.take())
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		defer m.begin()()
		if r.URL.Path == npmPrefix || len(r.URL.Path) > len(npmPrefix) && r.URL.Path[:len(npmPrefix)] == npmPrefix {
			w.Header().Set("Content-Type", "application/json")
			http.ServeFile(w, r, filepath.Join(dir, filepath.FromSlash(filepath.Clean(r.URL.Path)), "packument"))
			return
		}
		files.ServeHTTP(w, r)
	})
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			m.connected()
		}
	}, ErrorLog: log.New(io.Discard, "", 0)}
	hi := hello{URL: "http://" + plain.Addr().String() + "/"}
	if latency > 0 {
		cert, caFile, err := makeCertificate(dir)
		if err != nil {
			return err
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
		server.Protocols = new(http.Protocols)
		server.Protocols.SetHTTP1(true)
		server.Protocols.SetHTTP2(!http1)
		front, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		go delay(front, plain.Addr().String(), latency/2)
		hi = hello{URL: "https://" + front.Addr().String() + "/", CAFile: caFile}
	}
	if err := json.NewEncoder(out).Encode(hi); err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	if latency > 0 {
		err = server.ServeTLS(plain, "", "")
	} else {
		err = server.Serve(plain)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// makeCertificate makes a certificate for this machine, and the file of the authority that signed it.
func makeCertificate(dir string) (cert tls.Certificate, caFile string, err error) {
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "opkg bench authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cert, "", err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cert, "", err
	}
	ca, err := x509.CreateCertificate(rand.Reader, authority, authority, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		return cert, "", err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "opkg bench"}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, authorityKey)
	if err != nil {
		return cert, "", err
	}
	caFile = filepath.Join(filepath.Dir(dir), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, caFile, os.WriteFile(caFile, text, 0o644)
}

// delay passes connections on to address, each byte later by d; the making of a connection costs one round trip too.
func delay(front net.Listener, address string, d time.Duration) {
	for {
		in, err := front.Accept()
		if err != nil {
			return
		}
		go func() {
			time.Sleep(2 * d) // the handshake of TCP, which the system answers at once
			out, err := net.Dial("tcp", address)
			if err != nil {
				in.Close()
				return
			}
			go late(out, in, d)
			late(in, out, d)
		}()
	}
}

// late copies from one connection to another, each byte d after it came.
func late(to, from net.Conn, d time.Duration) {
	type chunk struct {
		at   time.Time
		data []byte
	}
	queue := make(chan chunk, 1024)
	go func() {
		defer close(queue)
		for {
			buf := make([]byte, 32<<10)
			n, err := from.Read(buf)
			if n > 0 {
				queue <- chunk{time.Now().Add(d), buf[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range queue {
		time.Sleep(time.Until(c.at))
		if _, err := to.Write(c.data); err != nil {
			from.Close()
		}
	}
	time.Sleep(d)
	to.Close()
}

// server is the process that serves the corpus.
type server struct {
	url, caFile string
	client      *http.Client
	stop        func()
}

func startServer(ctx context.Context, dir string, latency time.Duration, http1 bool) (*server, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-serve", dir, "-latency", latency.String(), fmt.Sprintf("-http1=%t", http1))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{client: &http.Client{}, stop: func() { in.Close(); _ = cmd.Wait() }}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var hi hello
	if err == nil {
		err = json.Unmarshal(line, &hi)
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("start the server: %w", err)
	}
	s.url, s.caFile = hi.URL, hi.CAFile
	if s.caFile != "" {
		pool, text := x509.NewCertPool(), []byte(nil)
		if text, err = os.ReadFile(s.caFile); err != nil {
			return nil, err
		}
		pool.AppendCertsFromPEM(text)
		s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	}
	return s, nil
}

// traffic is what the server has seen since the last call, without the calls themselves.
func (s *server) traffic(ctx context.Context) (t traffic, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+trafficPath[1:], nil)
	if err != nil {
		return t, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return t, err
	}
	defer resp.Body.Close()
	return t, json.NewDecoder(resp.Body).Decode(&t)
}

func (s *server) describe(latency time.Duration, http1 bool) string {
	switch {
	case latency == 0:
		return "plain HTTP on loopback"
	case http1:
		return fmt.Sprintf("TLS behind %s of delay, HTTP/1.1", latency)
	}
	return fmt.Sprintf("TLS behind %s of delay", latency)
}
