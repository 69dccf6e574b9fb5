package filelock

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// TryLock takes the exclusive lock of file, which ends when file is closed. It returns false when the lock is held.
//
// On Windows a lock keeps others from reading the locked bytes. It covers a byte far behind the content; the content names
// the holder.
func TryLock(file *os.File) (bool, error) {
	region := windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(file.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &region)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, os.NewSyscallError("LockFileEx", err)
}

// IsConflict reports whether errno of opening a file that is open exclusively means just that.
func IsConflict(errno syscall.Errno) bool {
	return errno == windows.ERROR_SHARING_VIOLATION || errno == windows.ERROR_LOCK_VIOLATION
}
