package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	parts, err := stateParts(dir)
	if err != nil {
		return nil, fmt.Errorf("clear state: %w", err)
	}
	for _, part := range parts {
		if err := deleteDir(part.dir); err != nil {
			return deleted, fmt.Errorf("clear state: %w", err)
		}
		for _, task := range part.tasks {
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
	parts, err := stateParts(filepath.Join(a.config.State.Dir, a.plan.Group))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, part := range parts {
		dirs = append(dirs, part.tasks...)
	}
	return dirs, err
}

// statePart is the directory of a sub-topology, with those of its tasks: none if it is the rest of a ClearState that was cut off, which has deleted them.
type statePart struct {
	dir   string
	tasks []string
}

// stateParts returns the directories of an application. What is no directory is the lock, and the identity of the process.
func stateParts(dir string) (parts []statePart, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		part := statePart{dir: filepath.Join(dir, e.Name())}
		if !strings.HasPrefix(e.Name(), clearedPrefix) {
			tasks, err := os.ReadDir(part.dir)
			if err != nil {
				return nil, err
			}
			for _, t := range tasks {
				part.tasks = append(part.tasks, filepath.Join(part.dir, t.Name()))
			}
		}
		parts = append(parts, part)
	}
	return parts, nil
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
