//go:build unix

package cas

import "syscall"

const errReadOnly = syscall.EROFS
