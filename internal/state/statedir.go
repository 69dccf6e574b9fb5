package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/filelock"
)

// lockFileName is the file in a state directory with the lock of the directory. It is never deleted: a process that
// waits for the lock has it open.
const lockFileName = ".lock"

// lockPoll is how often a held lock is tried again. The system call that waits cannot be cancelled.
const lockPoll = 25 * time.Millisecond

// processStart identifies the process together with its id, which the system uses again.
var processStart = time.Now()

// DirLock is the exclusive use of a state directory. The system ends it with the process, however the process ends.
type DirLock struct{ file *os.File }

// LockDir creates dir if needed and takes it for this process. If it is held it waits, at most for wait, and then fails
// with an error that wraps weir.ErrLocked and names the holder. It also fails when ctx is done, with the cause.
//
// The lock is a lock on the file .lock in dir, with the name of the holder in it: flock on Unix, LockFileEx on Windows; Pebble
// runs on no other systems. Machines that share a network file system are excluded as far as it implements flock.
func LockDir(ctx context.Context, dir string, wait time.Duration) (*DirLock, error) {
	if err := makeDirs(vfs.Default, dir); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		lock, err := tryLockDir(dir)
		if err != nil {
			return nil, fmt.Errorf("lock state directory %s: %w", dir, err)
		}
		if lock != nil {
			return lock, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("wait for the lock of state directory %s, held by %s: %w", dir, holder(dir), context.Cause(ctx))
		}
		if wait <= 0 {
			return nil, lockedError(dir, wait)
		}
		select {
		case <-ctx.Done():
		case <-poll.C:
		case <-deadline.C:
			return nil, lockedError(dir, wait)
		}
	}
}

func lockedError(dir string, waited time.Duration) error {
	return fmt.Errorf("state directory %s is %w by %s (waited %v): give each process its own state directory, or stop that process",
		dir, weir.ErrLocked, holder(dir), waited)
}

// makeDirs creates dir with its parents, so that a crash of the machine does not take them away again. Its error names the
// obstacle.
func makeDirs(fsys vfs.FS, dir string) error {
	// Durable parents are left alone: this process may not be allowed to open them.
	var missing []string
	for path := dir; ; path = fsys.PathDir(path) {
		info, err := fsys.Stat(path)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("create directory %s: %s exists and is not a directory: %w", dir, path, fs.ErrExist)
		}
		if !errors.Is(err, fs.ErrNotExist) || path == fsys.PathDir(path) {
			break // it exists, or MkdirAll will say why that is not known
		}
		missing = append(missing, path)
	}
	if err := fsys.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create directory %s: %w", dir, err)
	}
	for _, path := range missing {
		if err := syncDir(fsys, fsys.PathDir(path)); err != nil {
			return fmt.Errorf("create directory %s: make it durable: %w", path, err)
		}
	}
	return nil
}

func syncDir(fsys vfs.FS, dir string) error {
	if dir == "" {
		dir = "."
	}
	file, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// tryLockDir returns nil without an error when the lock is held.
func tryLockDir(dir string) (*DirLock, error) {
	path := filepath.Join(dir, lockFileName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	ok, err := filelock.TryLock(file)
	if err != nil || !ok {
		return nil, errors.Join(err, file.Close())
	}
	// The directory may have been cleared between opening and locking: then the next process would make another file
	// and lock that.
	mine, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	current, err := os.Stat(path)
	if err != nil || !os.SameFile(mine, current) {
		return nil, file.Close()
	}
	if err := writeHolder(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &DirLock{file: file}, nil
}

// Unlock gives the directory up. Databases in it must be closed before.
func (l *DirLock) Unlock() error {
	return errors.Join(l.file.Truncate(0), l.file.Close())
}

func writeHolder(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	text := fmt.Sprintf("process %d, started %s\n", os.Getpid(), processStart.UTC().Format(time.RFC3339))
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

// holder describes the holder of the lock, for an error message.
func holder(dir string) string {
	const unknown = "an unknown process"
	file, err := os.Open(filepath.Join(dir, lockFileName))
	if err != nil {
		return unknown
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, 200))
	line, _, whole := strings.Cut(string(text), "\n")
	if err != nil || !whole {
		return unknown // it is being written
	}
	return line
}
