//go:build darwin || freebsd || (linux && !amd64 && !arm64)

package dirfd

type calls struct{ slow }

func callsOf(int) calls { return calls{} }
