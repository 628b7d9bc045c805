package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The tracer runs opkg and stops it at its n-th operation on files below one directory: it counts system calls, so nothing that opkg does
// to the disk escapes it, whichever room does it. It is a process of its own, since a tracer waits for all its children.
//
//	opkg-traced count|kill:N|unsynced:N|fault:N:ERRNO|every:OPERATION:ERRNO|reboot DIR opkg-arguments...
//
// Unsynced is kill, in a system that forgets to sync; every fails all operations of one kind; reboot only lets the system look as if it
// were started anew. What happened is written as JSON to the file that traceReport names.

// traceReport is the variable that names the file for the report.
const traceReport = "OPKG_TEST_TRACE_REPORT"

// traced is what a traced run came to.
type traced struct {
	Status int    // exit status; -1 when it was killed
	Count  int    // operations; with kill, up to the end
	Op     string // the one that was stopped at: "renameat", "" when there were fewer
	Path   string
	Names  []string // with count, what each operation is: "write /path"
}

// canTrace says whether this system lets a process trace its child.
func canTrace() error { return nil }

const (
	ptraceSysGood  = 0x1
	ptraceClone    = 0x8
	ptraceFork     = 0x2
	ptraceVfork    = 0x4
	ptraceExitKill = 0x100000
)

// traceMain is the tracer's main function.
func traceMain() {
	runtime.LockOSThread()
	rep, err := traceRun(os.Args[1], os.Args[2], os.Args[3:])
	if err == nil {
		var data []byte
		if data, err = json.Marshal(rep); err == nil {
			err = os.WriteFile(os.Getenv(traceReport), data, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "opkg-traced:", err)
		os.Exit(99)
	}
	os.Exit(max(rep.Status, 0))
}

// tracer is the state of one run.
type tracer struct {
	pid    int
	dir    string
	mode   string
	at     int
	every  string
	errno  syscall.Errno
	rep    traced
	inside map[int]*entered // threads that are in a system call
}

// entered is a system call under way.
type entered struct {
	fault bool // it was made void, and has to return errno
	kill  bool // kill when it returns
}

func traceRun(what, dir string, args []string) (*traced, error) {
	t := &tracer{dir: dir, inside: map[int]*entered{}, rep: traced{Status: -1}}
	fields := strings.Split(what, ":")
	t.mode = fields[0]
	if t.mode == "every" {
		t.every = fields[1]
	} else if len(fields) > 1 {
		n, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, err
		}
		t.at = n
	}
	if len(fields) > 2 {
		n, err := strconv.Atoi(fields[2])
		if err != nil {
			return nil, err
		}
		t.errno = syscall.Errno(n)
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, args...)
	cmd.Args[0] = "opkg"
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t.pid = cmd.Process.Pid
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(t.pid, &ws, 0, nil); err != nil {
		return nil, err
	}
	if err := syscall.PtraceSetOptions(t.pid, ptraceSysGood|ptraceClone|ptraceFork|ptraceVfork|ptraceExitKill); err != nil {
		return nil, err
	}
	if err := syscall.PtraceSyscall(t.pid, 0); err != nil {
		return nil, err
	}
	return &t.rep, t.loop()
}

func (t *tracer) loop() error {
	seen := map[int]bool{t.pid: true}
	for {
		var ws syscall.WaitStatus
		tid, err := syscall.Wait4(-1, &ws, syscall.WALL, nil)
		if errors.Is(err, syscall.ECHILD) {
			return nil
		}
		if err != nil {
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			return err
		}
		if !ws.Stopped() {
			if tid == t.pid && ws.Exited() {
				t.rep.Status = ws.ExitStatus()
			}
			continue
		}
		deliver := 0
		switch sig := ws.StopSignal(); {
		case sig == syscall.SIGTRAP|0x80:
			if err := t.stopped(tid); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		case sig == syscall.SIGTRAP:
		case sig == syscall.SIGSTOP && !seen[tid]:
		default:
			deliver = int(sig)
		}
		seen[tid] = true
		if err := syscall.PtraceSyscall(tid, deliver); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
}

// stopped is called before and after each system call.
func (t *tracer) stopped(tid int) error {
	if call, ok := t.inside[tid]; ok {
		delete(t.inside, tid)
		if call.kill {
			return syscall.Kill(t.pid, syscall.SIGKILL)
		}
		if call.fault {
			var regs syscall.PtraceRegs
			if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
				return err
			}
			regs.Rax = uint64(-int64(t.errno))
			return syscall.PtraceSetRegs(tid, &regs)
		}
		return nil
	}
	call := &entered{}
	t.inside[tid] = call
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	op, path := t.operation(&regs)
	if t.mode == "reboot" && op == "openat" && path == bootID {
		return t.poke(regs.Rsi, anotherID)
	}
	kills := t.mode == "kill" || t.mode == "unsynced"
	if op == "" || !strings.HasPrefix(path, t.dir) || kills && !changes(op, &regs) {
		return nil
	}
	if t.mode == "unsynced" && op == "sync" { // it succeeds, and does nothing
		call.fault = true
		regs.Orig_rax = ^uint64(0)
		return syscall.PtraceSetRegs(tid, &regs)
	}
	t.rep.Count++
	if t.mode == "every" && op == t.every {
		t.rep.Op, t.rep.Path = op, path
		call.fault = true
		regs.Orig_rax = ^uint64(0)
		return syscall.PtraceSetRegs(tid, &regs)
	}
	if t.mode == "count" {
		t.rep.Names = append(t.rep.Names, op+" "+path)
	}
	if t.rep.Count != t.at {
		return nil
	}
	t.rep.Op, t.rep.Path = op, path
	switch {
	case t.mode == "fault":
		call.fault = true
		regs.Orig_rax = ^uint64(0)
		return syscall.PtraceSetRegs(tid, &regs)
	case op == "write" && regs.Rdx > 1: // torn: half of it is written
		call.kill = true
		regs.Rdx /= 2
		return syscall.PtraceSetRegs(tid, &regs)
	}
	return syscall.Kill(t.pid, syscall.SIGKILL)
}

// bootID is what tells one start of the system from another, and anotherID has the same form and is never the same.
const (
	bootID    = "/proc/sys/kernel/random/boot_id"
	anotherID = "/proc/sys/kernel/random/uuid"
)

// poke writes a string into the traced process, over a longer one.
func (t *tracer) poke(addr uint64, text string) error {
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", t.pid), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer mem.Close()
	_, err = mem.WriteAt([]byte(text+"\x00"), int64(addr))
	return err
}

// changes reports whether an operation changes the disk.
func changes(op string, regs *syscall.PtraceRegs) bool {
	switch op {
	case "read", "getdents", "stat", "flock":
		return false
	case "openat":
		return regs.Rdx&syscall.O_CREAT != 0
	}
	return true
}

// operation names a system call and the file that it is about; "" for one that is about none.
func (t *tracer) operation(regs *syscall.PtraceRegs) (op, path string) {
	fd := func(n uint64) string {
		p, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", t.pid, int32(n)))
		return p
	}
	at := func(dir, name uint64) string {
		s := t.text(name)
		switch {
		case filepath.IsAbs(s):
			return s
		case int32(dir) == unix.AT_FDCWD:
			cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", t.pid))
			return filepath.Join(cwd, s)
		}
		return filepath.Join(fd(dir), s)
	}
	switch regs.Orig_rax {
	case unix.SYS_OPENAT:
		return "openat", at(regs.Rdi, regs.Rsi)
	case unix.SYS_WRITE, unix.SYS_PWRITE64:
		return "write", fd(regs.Rdi)
	case unix.SYS_READ, unix.SYS_PREAD64:
		return "read", fd(regs.Rdi)
	case unix.SYS_GETDENTS64:
		return "getdents", fd(regs.Rdi)
	case unix.SYS_NEWFSTATAT:
		return "stat", at(regs.Rdi, regs.Rsi)
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		return "rename", at(regs.Rdx, regs.R10)
	case unix.SYS_LINKAT:
		return "link", at(regs.Rdx, regs.R10)
	case unix.SYS_SYMLINKAT:
		return "symlink", at(regs.Rsi, regs.Rdx)
	case unix.SYS_UNLINKAT:
		return "unlink", at(regs.Rdi, regs.Rsi)
	case unix.SYS_MKDIRAT:
		return "mkdir", at(regs.Rdi, regs.Rsi)
	case unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2:
		return "chmod", at(regs.Rdi, regs.Rsi)
	case unix.SYS_FCHMOD:
		return "chmod", fd(regs.Rdi)
	case unix.SYS_UTIMENSAT:
		if regs.Rsi == 0 {
			return "utimens", fd(regs.Rdi)
		}
		return "utimens", at(regs.Rdi, regs.Rsi)
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNCFS:
		return "sync", fd(regs.Rdi)
	case unix.SYS_FTRUNCATE:
		return "truncate", fd(regs.Rdi)
	case unix.SYS_COPY_FILE_RANGE:
		return "copy", fd(regs.Rdx)
	case unix.SYS_SENDFILE:
		return "copy", fd(regs.Rdi)
	case unix.SYS_FLOCK:
		return "flock", fd(regs.Rdi)
	}
	return "", ""
}

// text reads a string of the traced process.
func (t *tracer) text(addr uint64) string {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", t.pid))
	if err != nil {
		return ""
	}
	defer mem.Close()
	var buf [unix.PathMax]byte
	n, _ := mem.ReadAt(buf[:min(len(buf), 4096-int(addr%4096))], int64(addr)) // up to the end of the page
	if end := strings.IndexByte(string(buf[:n]), 0); end >= 0 {
		return string(buf[:end])
	}
	m, _ := mem.ReadAt(buf[n:], int64(addr)+int64(n))
	s, _, _ := strings.Cut(string(buf[:n+m]), "\x00")
	return s
}
