// Package nearest guesses what a misspelt word was meant to be.
package nearest

// longest bounds the words that are compared, in bytes: the work grows with the product of their lengths.
const longest = 64

// Word returns the choice that word is most likely a slip of the pen for, or "". At most a third of its bytes, and one more, may differ.
func Word(word string, choices []string) string { return within(len(word)/3+1, word, choices) }

// Slip is Word where the word may be right as it is: at most two bytes may differ.
func Slip(word string, choices []string) string { return within(2, word, choices) }

func within(least int, word string, choices []string) string {
	best := ""
	for _, c := range choices {
		if len(word) > longest || len(c) > longest {
			continue
		}
		if d := distance(word, c); d <= least && (best == "" || d < least) {
			best, least = c, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or replace to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
