package registry

import (
	"cmp"
	"slices"
	"strings"
)

// What a match of one word is worth, by where it stands. The site's search (internal/site/assets/search.js) counts alike, and a
// test holds the two against each other.
const (
	worthName        = 1000 // the whole name, or all of it behind the scope
	worthNameStart   = 500  // how the name begins, or what is behind the scope
	worthNameWord    = 300  // how a part of the name begins, behind one of - . _ /
	worthNameInside  = 200
	worthKeyword     = 150
	worthKeywordPart = 60
	worthTextWord    = 30 // how a word of the description begins
	worthTextInside  = 10
	worthYanked      = 2000 // taken off where every version is yanked
)

// Words splits what a person looks for: words in lower case, at most 16.
func Words(term string) []string {
	words := strings.Fields(strings.ToLower(term))
	return words[:min(len(words), 16)]
}

// Rank is how well an entry fits words, all of which must stand in its name, keywords or description; ok is false where one
// does not. No words fit nothing.
func (e *SearchEntry) Rank(words []string) (rank int, ok bool) {
	if len(words) == 0 {
		return 0, false
	}
	text := strings.ToLower(e.Description)
	for _, w := range words {
		worth := max(rankName(string(e.Name), w), rankKeywords(e.Keywords, w), rankText(text, w))
		if worth == 0 {
			return 0, false
		}
		rank += worth
	}
	if e.Yanked {
		rank -= worthYanked
	}
	return rank, true
}

func rankName(name, word string) int {
	_, base, scoped := strings.Cut(name, "/")
	if !scoped {
		base = name
	}
	switch i := strings.Index(name, word); {
	case name == word || base == word:
		return worthName
	case i == 0 || strings.HasPrefix(base, word):
		return worthNameStart
	case i < 0:
		return 0
	}
	if startsIn(name, word, func(before byte) bool { return strings.IndexByte("-._/@", before) >= 0 }) {
		return worthNameWord
	}
	return worthNameInside
}

func rankKeywords(keywords []string, word string) int {
	best := 0
	for _, k := range keywords {
		if k == word {
			return worthKeyword
		}
		if strings.Contains(k, word) {
			best = worthKeywordPart
		}
	}
	return best
}

func rankText(text, word string) int {
	i := strings.Index(text, word)
	switch {
	case i < 0:
		return 0
	case i == 0, startsIn(text, word, func(before byte) bool { return before == ' ' }):
		return worthTextWord
	}
	return worthTextInside
}

// startsIn reports whether word stands anywhere in s behind a byte that separates.
func startsIn(s, word string, separates func(byte) bool) bool {
	for from := 1; from < len(s); {
		i := strings.Index(s[from:], word)
		if i < 0 {
			return false
		}
		if separates(s[from+i-1]) {
			return true
		}
		from += i + 1
	}
	return false
}

// Find is the places of the entries that fit term, the best first, and among equals the shorter and then the lesser name.
func (s *Search) Find(term string) []int {
	words := Words(term)
	type hit struct{ at, rank int }
	var hits []hit
	for i := range s.Entries {
		if rank, ok := s.Entries[i].Rank(words); ok {
			hits = append(hits, hit{i, rank})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int {
		x, y := s.Entries[a.at].Name, s.Entries[b.at].Name
		return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
	})
	out := make([]int, len(hits))
	for i, h := range hits {
		out[i] = h.at
	}
	return out
}
