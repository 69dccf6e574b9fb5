package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weirstreams/weir/internal/state"
)

// clearedPrefix begins the name of a directory that is being deleted. A directory gets it before its files go, so that no crash
// leaves a database that lacks some of its files.
const clearedPrefix = ".cleared-"

// ClearState deletes the databases of the application from Config.State.Dir, those of topologies before this one included, and
// returns their directories, one per task. They are also logged. It asks no cluster.
//
// ClearState is no fresh start: the next Run restores the state from the changelogs, and goes on with the committed offsets. It
// is for a disk that is suspected to be damaged, and for a process that will not run here again. To begin anew, delete the
// internal topics and the group from the cluster as well, or use another Config.Group. State of stores without a changelog is
// lost.
//
// The application must not run: while a process holds the state directory, ClearState waits for as long as
// Config.State.LockWait and then returns an error that wraps weir.ErrLocked. The identity of the process, by which it ends
// transactions that it has left open, is kept. Without a state directory, or with Config.State.InMemory, ClearState
// deletes nothing. After an error it may have deleted some of the databases, which it returns.
func (a *App) ClearState(ctx context.Context) (deleted []string, err error) {
	dir := filepath.Join(a.config.State.Dir, a.plan.Group)
	if _, err := os.Stat(dir); a.config.State.InMemory || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	lock, err := state.LockDir(ctx, dir, a.config.State.LockWait)
	if err != nil {
		return nil, fmt.Errorf("clear state: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("clear state: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue // the lock, and the identity of the process
		}
		path := filepath.Join(dir, e.Name())
		tasks, err := os.ReadDir(path)
		if err == nil {
			err = deleteDir(path)
		}
		if err != nil {
			return deleted, fmt.Errorf("clear state: %w", err)
		}
		if strings.HasPrefix(e.Name(), clearedPrefix) {
			continue // the rest of a call that was cut off, which has deleted it
		}
		for _, t := range tasks {
			task := filepath.Join(path, t.Name())
			a.config.Logger.Info("state deleted", "directory", task)
			deleted = append(deleted, task)
		}
	}
	return deleted, nil
}

// stateDirectories returns the directories that ClearState would delete.
func (a *App) stateDirectories() (dirs []string, err error) {
	if a.config.State.InMemory {
		return nil, nil
	}
	dirs, err = filepath.Glob(filepath.Join(a.config.State.Dir, a.plan.Group, "*", "*"))
	return slices.DeleteFunc(dirs, func(dir string) bool {
		return strings.HasPrefix(filepath.Base(filepath.Dir(dir)), clearedPrefix)
	}), err
}

// deleteDir deletes a directory, which is gone under its name before the first of its files is.
func deleteDir(path string) error {
	gone := path
	if name := filepath.Base(path); !strings.HasPrefix(name, clearedPrefix) {
		gone = filepath.Join(filepath.Dir(path), clearedPrefix+name)
		if err := os.RemoveAll(gone); err != nil {
			return err
		}
		if err := os.Rename(path, gone); err != nil {
			return err
		}
	}
	return os.RemoveAll(gone)
}
