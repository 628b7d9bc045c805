package site

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/openpackage/opkg/registry"
)

// perShard is about how many packages one file of the browser's search data holds.
const perShard = 512

// Shards is the browser's search data: scripts, since a page that is opened from a file may load scripts beside it and nothing
// else. A name is always in the same shard as long as their number, a power of two, stays: one more package changes one file. The second
// result is for Home: it names each file's content, so that a browser may keep them.
func Shards(entries []registry.SearchEntry) (map[string][]byte, string, error) {
	n := 1
	for n*perShard < len(entries) {
		n *= 2
	}
	rows := make([][]row, n)
	for i := range entries {
		e := &entries[i]
		h := fnv.New32a()
		h.Write([]byte(e.Name))
		at := int(h.Sum32()) & (n - 1)
		rows[at] = append(rows[at], newRow(e))
	}
	files := make(map[string][]byte, n)
	digests := make([]string, n)
	for i := range rows {
		data, err := json.Marshal(rows[i]) // which escapes < > & and U+2028: the text is a script too
		if err != nil {
			return nil, "", err
		}
		if rows[i] == nil {
			data = []byte("[]")
		}
		text := fmt.Appendf(nil, "opkgShard(%d,%s)\n", i, data)
		sum := sha256.Sum256(text)
		digests[i] = hex.EncodeToString(sum[:4])
		files[fmt.Sprintf("%s/data/%d.js", Dir, i)] = text
	}
	return files, strings.Join(digests, " "), nil
}

// row is [name, version, description, keywords, yanked]: keywords are joined by newlines.
type row [5]any

func newRow(e *registry.SearchEntry) row {
	yanked := 0
	if e.Yanked {
		yanked = 1
	}
	return row{e.Name, e.Version.String(), e.Description, strings.Join(e.Keywords, "\n"), yanked}
}
