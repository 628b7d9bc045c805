package cas

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// SystemBoot tells this start of the system and this mount of the file system that dir is on from all others; "" where the system does
// not say both. The same file system mounted elsewhere, as in a container, counts as another: that costs a look too many.
func SystemBoot(dir string) string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(id) > 64 {
		return ""
	}
	var st unix.Statx_t
	err = unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_MNT_ID_UNIQUE, &st)
	if err != nil || st.Mask&unix.STATX_MNT_ID_UNIQUE == 0 {
		return ""
	}
	return fmt.Sprintf("%s/%x", strings.TrimSpace(string(id)), st.Mnt_id)
}
