package archive

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestGunzip(t *testing.T) {
	text := []byte(strings.Repeat("one text after another, ", 1000))
	packed, err := Gzip(text)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := Gzip(text); !bytes.Equal(packed, again) {
		t.Error("the same text is not packed into the same bytes")
	}
	if !IsGzip(packed) || IsGzip(text) || IsGzip(nil) {
		t.Error("a gzip file is not told from others")
	}
	got, err := Gunzip("x.gz", packed, int64(len(text)))
	if err != nil || !bytes.Equal(got, text) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	longer := bytes.Clone(packed)
	longer[len(longer)-1] = 1 // it claims 16 MiB more
	for name, c := range map[string]struct {
		data []byte
		most int
		want string
	}{
		"more than is allowed": {packed, len(text) - 1, "it inflates to more than 23999 bytes"},
		"empty":                {nil, 100, "it is no gzip file"},
		"text":                 {text, len(text), ""},
		"cut":                  {packed[:len(packed)-5], 1 << 30, ""},
		"a wrong length":       {longer, 1 << 30, "the length in the gzip trailer is wrong"},
		"followed":             {append(bytes.Clone(packed), packed[:18]...), 1 << 40, ""},
	} {
		_, err := Gunzip("x.gz", c.data, int64(c.most))
		var unsafe *UnsafeError
		if !errors.As(err, &unsafe) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
