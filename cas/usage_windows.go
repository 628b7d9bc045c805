package cas

import (
	"os"

	"golang.org/x/sys/windows"
)

func usageOf(path string, fi os.FileInfo) Usage {
	u := Usage{Bytes: fi.Size(), links: 1}
	if !fi.Mode().IsRegular() {
		return u
	}
	f, err := os.Open(path)
	if err != nil {
		return u
	}
	defer f.Close()
	var info windows.ByHandleFileInformation
	if windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info) == nil {
		u.file = fileID{uint64(info.VolumeSerialNumber), uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow)}
		u.links = uint64(info.NumberOfLinks)
	}
	return u
}
