package state_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
)

func lockDir(t *testing.T, dir string, wait time.Duration) *state.DirLock {
	t.Helper()
	lock, err := state.LockDir(t.Context(), dir, wait)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func TestLockDirCreatesTheDirectoryAndNamesItsHolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	lock := lockDir(t, dir, 0)
	content, err := os.ReadFile(filepath.Join(dir, ".lock"))
	if err != nil || !strings.HasPrefix(string(content), fmt.Sprintf("process %d, started 20", os.Getpid())) {
		t.Errorf("lock file %q, %v", content, err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := lockDir(t, dir, 0).Unlock(); err != nil {
		t.Error(err)
	}
}

func TestLockDirExcludesWithinAProcess(t *testing.T) {
	dir := t.TempDir()
	lock := lockDir(t, dir, 0)
	_, err := state.LockDir(t.Context(), dir, 60*time.Millisecond)
	if !errors.Is(err, weir.ErrLocked) {
		t.Errorf("error %v, want weir.ErrLocked", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// K-82.
func TestLockDirWaitsForTheHolder(t *testing.T) {
	dir := t.TempDir()
	lock := lockDir(t, dir, 0)
	got := make(chan error)
	go func() {
		second, err := state.LockDir(t.Context(), dir, time.Minute)
		if err == nil {
			err = second.Unlock()
		}
		got <- err
	}()
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestLockDirStopsWaitingWhenItsContextIsDone(t *testing.T) {
	dir := t.TempDir()
	lock := lockDir(t, dir, 0)
	defer lock.Unlock()
	stopping := errors.New("stopping")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopping)
	if _, err := state.LockDir(ctx, dir, time.Hour); !errors.Is(err, stopping) || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v, want the cause and the directory", err)
	}
}

func TestLockDirNamesTheProcessThatHoldsItAndTakesOverWhenThatIsKilled(t *testing.T) {
	dir := t.TempDir()
	child := startChild(t, "directory", dir)
	_, err := state.LockDir(t.Context(), dir, 0)
	if !errors.Is(err, weir.ErrLocked) {
		t.Fatalf("error %v, want weir.ErrLocked", err)
	}
	for _, want := range []string{dir, fmt.Sprintf("process %d, started", child.Process.Pid), "own state directory"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	kill(child)
	if err := lockDir(t, dir, time.Minute).Unlock(); err != nil {
		t.Error(err)
	}
}

// K-80.
func TestLockDirSaysWhatIsInTheWay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := state.LockDir(t.Context(), file, 0)
	if !errors.Is(err, fs.ErrExist) || errors.Is(err, weir.ErrLocked) || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v, want fs.ErrExist with the path", err)
	}
	if _, err := state.LockDir(t.Context(), filepath.Join(file, "dir"), 0); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("below a file: %v", err)
	}
}

func TestLockDirIsNotFooledByAClearedDirectory(t *testing.T) {
	dir := t.TempDir()
	lock := lockDir(t, dir, 0)
	if err := os.Remove(filepath.Join(dir, ".lock")); err != nil {
		t.Skip(err) // Windows keeps open files
	}
	second := lockDir(t, dir, time.Minute)
	if _, err := state.LockDir(t.Context(), dir, 0); !errors.Is(err, weir.ErrLocked) {
		t.Errorf("error %v, want weir.ErrLocked", err)
	}
	if err := errors.Join(lock.Unlock(), second.Unlock()); err != nil {
		t.Error(err)
	}
}
