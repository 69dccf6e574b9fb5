package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/weirstreams/weir"
)

// retryAfter is how long a sink waits for a full disk.
const retryAfter = 5 * time.Second

// passing are errors of a disk that may pass.
var passing = []error{
	syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE, syscall.EAGAIN, syscall.EINTR, syscall.EBUSY, syscall.ENOMEM,
	syscall.ETIMEDOUT, syscall.ESTALE,
}

// Later makes a weir.RetryLaterError of an error that may pass, such as a full disk. Others, such as missing permissions, stay as they are.
func Later(err error) error {
	if err == nil || errors.As(err, new(*syncError)) {
		return err
	}
	const windowsDiskFull = syscall.Errno(112)
	if slices.ContainsFunc(passing, func(e error) bool { return errors.Is(err, e) }) || runtime.GOOS == "windows" && errors.Is(err, windowsDiskFull) {
		return &weir.RetryLaterError{RetryAfter: retryAfter, Err: err}
	}
	return err
}

// MakeDirs makes a folder with its parents, durably.
func MakeDirs(dir string) error {
	var missing []string
	for path := filepath.Clean(dir); ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("make folder %s: %s is no folder: %w", dir, path, fs.ErrExist)
		}
		if err == nil || path == filepath.Dir(path) {
			break
		}
		missing = append(missing, path)
	}
	if len(missing) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, path := range missing {
		if err := SyncDir(filepath.Dir(path)); err != nil {
			return err
		}
	}
	return nil
}

// SyncDir makes the entries of a folder durable.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // which has no such call, and keeps the order of its own journal
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// Probe makes a directory, and finds out whether files in it can be made and renamed.
func Probe(dir string) error {
	root := filepath.Join(dir, Root)
	if err := MakeDirs(root); err != nil {
		return err
	}
	f, err := os.CreateTemp(root, "probe-*")
	if err != nil {
		return err
	}
	name := f.Name()
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(name, name+".renamed"); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return os.Remove(name + ".renamed")
}
