//go:build unix

package server

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	directoryPrefix = "weir-testserver-"
	unfinished      = directoryPrefix + "new-"
	lockName        = "lock"
)

// newDirectory makes a directory with a locked file in it. The lock ends with this process.
func newDirectory(parent string) (dir string, unlock func(), err error) {
	made, err := os.MkdirTemp(parent, unfinished)
	if err != nil {
		return "", nil, err
	}
	lock, err := os.Create(filepath.Join(made, lockName))
	if err != nil {
		return "", nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return "", nil, errors.Join(err, lock.Close())
	}
	// Servers of other users go through it; data are below, with the rights that each server gives them.
	if err := os.Chmod(made, 0o755); err != nil {
		return "", nil, errors.Join(err, lock.Close())
	}
	// It gets its name with the lock, so that no other process takes it for forgotten before.
	dir = filepath.Join(parent, directoryPrefix+strings.TrimPrefix(filepath.Base(made), unfinished))
	if err := os.Rename(made, dir); err != nil {
		return "", nil, errors.Join(err, lock.Close())
	}
	return dir, func() { _ = lock.Close() }, nil // nothing was written
}

// removeForgotten removes the directories of processes that were killed: those with a lock that nobody holds. It leaves
// those of other users alone, and those that it cannot remove.
func removeForgotten(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, directoryPrefix+"*", lockName)) // the only error is one of the pattern
	for _, file := range dirs {
		lock, err := os.OpenFile(file, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		info, err := lock.Stat()
		if err == nil && ours(info) && !strings.HasPrefix(filepath.Base(filepath.Dir(file)), unfinished) &&
			syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(filepath.Dir(file)) // the next call tries again
		}
		_ = lock.Close() // nothing was written
	}
}

func ours(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
