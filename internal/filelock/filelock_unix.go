//go:build unix

package filelock

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// TryLock takes the exclusive lock of file, which ends when file is closed. It returns false when the lock is held.
func TryLock(file *os.File) (bool, error) {
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		default:
			return false, os.NewSyscallError("flock", err)
		}
	}
}

// IsConflict reports whether errno of a lock that was not waited for means that it is held. POSIX allows two.
func IsConflict(errno syscall.Errno) bool {
	return errno == unix.EAGAIN || errno == unix.EACCES
}
