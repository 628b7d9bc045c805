package cas

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
)

// prose is text that compresses as Markdown does.
func prose(seed, n int) string {
	words := strings.Fields("rules commands agents skills the a of to and when never always check write read file test code review small exact before after")
	var b strings.Builder
	x := uint32(seed)*2654435761 + 1
	for b.Len() < n {
		x = x*1664525 + 1013904223
		b.WriteString(words[x>>16%uint32(len(words))])
		b.WriteByte(' ')
	}
	return b.String()[:n]
}

func benchmarkPut(b *testing.B, files, size int) {
	var archives [][]byte
	var wants []Want
	bytesEach := 0
	for i := range 8 {
		p := demo(fmt.Sprintf("1.0.%d", i), nil)
		for j := range files - len(p) {
			p[fmt.Sprintf("rules/%d.md", j)] = prose(i*1000+j, size/files)
		}
		tgz := p.tgz(b)
		archives, wants, bytesEach = append(archives, tgz), append(wants, wantOf(b, fmt.Sprintf("1.0.%d", i), tgz)), len(tgz)
	}
	b.SetBytes(int64(bytesEach))
	b.ReportAllocs()
	var s *Store
	for i := 0; b.Loop(); i++ {
		if i%len(archives) == 0 { // a new store, so that every blob is written
			b.StopTimer()
			if s != nil {
				s.Discard()
			}
			s = newStore(b)
			b.StartTimer()
		}
		if _, err := s.Put(context.Background(), wants[i%len(archives)], bytes.NewReader(archives[i%len(archives)])); err != nil {
			b.Fatal(err)
		}
	}
	s.Discard()
}

func BenchmarkPutTypical(b *testing.B) { benchmarkPut(b, 20, 60<<10) }

func BenchmarkPut10MB(b *testing.B) { benchmarkPut(b, 40, 10<<20) }

func BenchmarkFlush(b *testing.B) {
	for i := range b.N {
		b.StopTimer()
		s := newStore(b)
		for j := range 20 {
			p := demo(fmt.Sprintf("1.%d.%d", i, j), nil)
			for k := range 17 {
				p[fmt.Sprintf("rules/%d.md", k)] = prose(i*1000+j*20+k, 3000)
			}
			tgz := p.tgz(b)
			if _, err := s.Put(b.Context(), wantOf(b, fmt.Sprintf("1.%d.%d", i, j), tgz), bytes.NewReader(tgz)); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		if err := s.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkArtifact(b *testing.B) {
	s := newStore(b)
	p := demo("1.0.0", nil)
	for k := range 17 {
		p[fmt.Sprintf("rules/%d.md", k)] = prose(k, 3000)
	}
	tgz := p.tgz(b)
	a, err := s.Put(b.Context(), wantOf(b, "1.0.0", tgz), bytes.NewReader(tgz))
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok, err := s.Artifact(a.SHA256); !ok || err != nil {
			b.Fatal(err)
		}
	}
}
