package materialize

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestMoreLinksThanAFileCanHave places 70,000 files of one content where a file can have 65,000 links, which is ext4's limit.
func TestMoreLinksThanAFileCanHave(t *testing.T) {
	if os.Getenv("OPKG_NIGHTLY") == "" {
		t.Skip("makes 70,000 files: set OPKG_NIGHTLY")
	}
	var fs syscall.Statfs_t
	mustDo(t, syscall.Statfs(t.TempDir(), &fs))
	if fs.Type != 0xef53 {
		t.Skip("the temporary directory is not on ext4")
	}
	const many, limit = 70_000, 65_000
	sh := newShelf(t)
	f := files{}
	for i := range many {
		f[fmt.Sprintf("d%02d/f%d.md", i%70, i)] = "the same\n"
	}
	sh.wants = []Want{put(t, sh.store, "many", "1.0.0", f)}
	res := sh.sync(t)
	if res.Linked < limit-2 || res.Linked > limit || res.Linked+res.Copied+res.Cloned != many+1 {
		t.Errorf("result %+v", *res)
	}
	if res := sh.sync(t); res.Kept != 1 {
		t.Errorf("second result %+v", *res)
	}
	fi, err := os.Stat(filepath.Join(sh.path("many", "1.0.0"), "d00", "f0.md"))
	mustDo(t, err)
	t.Logf("%+v; the first file has %d links", *res, fi.Sys().(*syscall.Stat_t).Nlink)
	unused, tally := sh.removeUnused(t, true)
	if len(unused) != 1 || tally.Files != many+1 {
		t.Errorf("%d versions, %d files", len(unused), tally.Files)
	}
}
