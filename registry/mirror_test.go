package registry

import (
	"strings"
	"testing"
)

func TestMirrorNote(t *testing.T) {
	want := MirrorNote{Source: "https://registry.example.test/", Complete: true}
	got, err := ParseMirrorNote("mirror.json", want.Format())
	if err != nil || *got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for text, fault := range map[string]string{
		``:                              "it is empty",
		`[]`:                            "want a JSON object",
		`{}`:                            `it has no "source"`,
		`{"source": "https://a.test/"}`: `it has no "complete"`,
		`{"source": "https://a.test/", "complete": 1}`:                                                       "want true or false",
		`{"source": "https://user:pw@a.test/", "complete": true}`:                                            "source",
		`{"source": "https://a.test/", "source": "https://b.test/", "complete": true}`:                       "twice",
		`{"source": "https://a.test/", "Complete": true}`:                                                    `want "complete"`,
		`{"source": "https://a.test/", "complete": true} {}`:                                                 "the end of the text",
		`{"source": "https://a.test/", "complete": true, "x": "` + strings.Repeat("a", MaxMirrorSize) + `"}`: "more than",
	} {
		_, err := ParseMirrorNote("mirror.json", []byte(text))
		if err == nil || !strings.Contains(err.Error(), fault) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%.80s: %v, want %s", text, err, fault)
		}
	}
}

func FuzzParseMirrorNote(f *testing.F) {
	f.Add([]byte(`{"source": "https://a.test/", "complete": true}`))
	f.Add([]byte(`{"source": "git:https://a.test/x.git#b", "more": {"a": [1]}, "complete": false}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := ParseMirrorNote("f", data)
		if err != nil {
			return
		}
		again, err := ParseMirrorNote("f", n.Format())
		if err != nil || *again != *n {
			t.Fatalf("%+v → %+v, %v", n, again, err)
		}
	})
}
