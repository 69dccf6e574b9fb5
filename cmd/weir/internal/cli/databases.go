package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

// taskState is the database of a task on disk.
type taskState struct {
	// Task is the folder of the database below that of the group: STREAM/PARTITION.
	Task    string
	Dir     string
	Backend state.Backend
	DB      *database.DB
}

// stateDir returns the folder of databases that flags and program name.
func (s *Session) stateDir(dir string) (string, error) {
	switch {
	case strings.Contains(dir, "://"):
		return "", Usagef("--dir %q: a running program does not serve its state: stop it, and give the folder of its state", dir)
	case dir != "":
		return dir, nil
	case s.Config.State.InMemory:
		return "", Usagef("the program keeps its state in memory")
	}
	dir = "state"
	if s.Config.State.Dir != "" {
		dir = s.Config.State.Dir
	}
	if s.Topology != nil {
		dir = filepath.Join(dir, s.Config.Prefix+s.Config.Group)
	}
	return dir, nil
}

// eachTask calls f for each database below dir, in the order of their folders, and holds the lock of its group meanwhile. damaged is called
// for a database that does not open because it is damaged, if it is not nil.
func (s *Session) eachTask(dir string, f func(*taskState) error, damaged func(task string, err error)) (err error) {
	dirs, err := databasesBelow(dir)
	if err != nil {
		return err
	}
	held := map[string]bool{}
	for _, d := range dirs {
		group := groupOf(d)
		if held[group] {
			continue
		}
		held[group] = true
		release, holdErr := state.HoldDir(group)
		if holdErr != nil {
			return holdErr
		}
		defer func() { err = errors.Join(err, release()) }()
	}
	pebble := state.NewPebble(state.PebbleConfig{})
	defer func() { err = errors.Join(err, pebble.Close()) }()
	for _, d := range dirs {
		task, err := filepath.Rel(groupOf(d), d)
		if err != nil {
			return err
		}
		err = withTask(pebble, filepath.ToSlash(task), d, f)
		if damaged != nil && errors.Is(err, weir.ErrCorruptState) {
			damaged(filepath.ToSlash(task), err)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func withTask(pebble *state.Pebble, task, dir string, f func(*taskState) error) (err error) {
	backend, err := pebble.OpenReadOnly(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	db, err := database.Open(backend)
	if err != nil {
		return fmt.Errorf("state of task %s: %w", task, err)
	}
	return f(&taskState{task, dir, backend, db})
}

// groupOf returns the folder of a group that holds the databases STREAM/PARTITION, with the lock file.
func groupOf(database string) string { return filepath.Dir(filepath.Dir(database)) }

// databasesBelow returns the folders of databases, without those that are being deleted.
func databasesBelow(dir string) (dirs []string, err error) {
	dir, err = filepath.Abs(dir) // the parents of a database are needed too
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != dir && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case !entry.IsDir() && strings.HasPrefix(entry.Name(), "marker.manifest."):
			dirs = append(dirs, filepath.Dir(path))
			return fs.SkipDir
		}
		return nil
	})
	if err == nil && len(dirs) == 0 {
		err = fmt.Errorf("%s holds no state of a program", dir)
	}
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%w: give the folder of the state by --dir", err)
	}
	return dirs, err
}

// storeState is a store in the database of a task.
type storeState struct {
	*taskState
	Name   string
	Format database.Format
	prefix []byte
	fields bool // the store is a Map
	key    Codec
	field  Codec
	value  Codec
}

// store returns a store that the database has.
func (t *taskState) store(name string) (*storeState, error) {
	format, _, err := t.DB.Format(name)
	if err != nil {
		return nil, fmt.Errorf("state of task %s: %w", t.Task, err)
	}
	prefix, err := t.DB.Prefix(name)
	if err != nil {
		return nil, err
	}
	field, value, fields := strings.Cut(format.State, " => ")
	if !fields {
		field, value = "", format.State
	}
	return &storeState{t, name, format, prefix, fields, codecOf(format.Key), codecOf(field), codecOf(value)}, nil
}

// scan calls f for the rows of the store that begin with start, in the order of their bytes, until f returns false.
func (st *storeState) scan(start []byte, f func(row, value []byte) (bool, error)) error {
	from := append(append([]byte(nil), st.prefix...), start...)
	to := database.EndOf(st.prefix)
	return st.Backend.Scan(from, to, func(key, value []byte) (bool, error) {
		if !strings.HasPrefix(string(key), string(from)) {
			return false, nil
		}
		return f(key[len(st.prefix):], value)
	})
}
