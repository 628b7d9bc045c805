package opkg_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources/http"
)

// TestDocumentedLimits holds the limits of archives in docs/registry.md against the code; package registry holds its own.
func TestDocumentedLimits(t *testing.T) {
	data, err := os.ReadFile("docs/registry.md")
	if err != nil {
		t.Fatal(err)
	}
	gib := func(n int64) string { return fmt.Sprintf("%d GiB", n>>30) }
	mib := func(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
	kib := func(n int64) string { return fmt.Sprintf("%d KiB", n>>10) }
	count := func(n int64) string {
		if n < 1000 {
			return fmt.Sprint(n)
		}
		return fmt.Sprintf("%d,%03d", n/1000, n%1000)
	}
	for _, line := range []string{
		gib(archive.MaxArchive) + " | `archive.MaxArchive`",
		mib(http.MaxUnsizedArtifact) + " | `http.MaxUnsizedArtifact`",
		count(archive.MaxEntries) + " | `archive.MaxEntries`",
		count(archive.MaxDirectories) + " | `archive.MaxDirectories`",
		mib(archive.MaxNames) + " | `archive.MaxNames`",
		gib(archive.MaxFile) + " | `archive.MaxFile`",
		gib(archive.MaxTotal) + " | `archive.MaxTotal`",
		count(archive.MaxRatio) + ", beyond the first " + mib(archive.RatioFree) + " | `archive.MaxRatio`, `archive.RatioFree`",
		count(archive.MaxPath) + " bytes, " + count(archive.MaxDepth) + " parts | `archive.MaxPath`, `archive.MaxDepth`",
		count(archive.MaxComponent) + " bytes | `archive.MaxComponent`",
		mib(archive.MaxManifestBytes) + " | `archive.MaxManifestBytes`",
		kib(archive.MaxExtended) + " | `archive.MaxExtended`",
		count(archive.MaxRecords) + " | `archive.MaxRecords`",
		count(archive.MaxGzipString) + " bytes | `archive.MaxGzipString`",
		kib(registry.MaxMirrorSize) + " | `registry.MaxMirrorSize`",
	} {
		if !strings.Contains(string(data), " | "+line+" |\n") {
			t.Errorf("docs/registry.md does not say | %s |", line)
		}
	}
}
