package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/filelock"
)

// OpenReadOnly opens the database in dir and changes no file of it. Changes in its log are read into memory. Writes to the backend fail.
//
// It takes no lock: the caller holds that of the state directory, by HoldDir. It fails with fs.ErrNotExist if there is no dir, and
// with weir.ErrCorruptState when the database is damaged.
func (p *Pebble) OpenReadOnly(dir string) (Backend, error) {
	if _, err := p.config.FS.Stat(dir); err != nil { // Pebble says that a file is missing, as in a damaged database
		return nil, fmt.Errorf("store %s: open: %w", dir, err)
	}
	health := &health{guard: newGuard(unchangedFS{p.config.FS}, dir)}
	options := p.options(dir, health)
	options.ReadOnly, options.ErrorIfNotExists = true, true
	db, err := pebble.Open(dir, options)
	if err == nil {
		options.EnsureDefaults() // Open has worked on a copy
		return &pebbleBackend{dir: dir, db: db, options: options, health: health, retire: func() {}, release: func() error { return nil }}, nil
	}
	if p.isDamage(dir, options, err) {
		err = fmt.Errorf("%w: %w", weir.ErrCorruptState, err)
	}
	return nil, fmt.Errorf("store %s: open: %w", dir, err)
}

// HoldDir keeps other processes from opening the databases in a state directory of a group, and changes no byte of it. It fails with
// weir.ErrLocked, and names the process, if one uses the directory. A directory without a lock file was never used by a process, or is a copy.
// The caller calls release when its databases are closed.
func HoldDir(dir string) (release func() error, err error) {
	file, err := os.Open(filepath.Join(dir, lockFileName))
	if errors.Is(err, fs.ErrNotExist) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock state directory: %w", err)
	}
	ok, err := filelock.TryLock(file)
	if err == nil && ok {
		return file.Close, nil
	}
	if err != nil {
		err = fmt.Errorf("lock state directory %s: %w", dir, err)
	} else {
		err = fmt.Errorf("state directory %s is %w by %s: stop that process", dir, weir.ErrLocked, holder(dir))
	}
	return nil, errors.Join(err, file.Close())
}

// errUnchanged refuses writes to the files of a database that is read.
var errUnchanged = errors.New("the database is opened for reading")

// unchangedFS is a file system without writes. Its locks are those of HoldDir.
type unchangedFS struct{ vfs.FS }

func (unchangedFS) Create(string, vfs.DiskWriteCategory) (vfs.File, error) { return nil, errUnchanged }

func (unchangedFS) Link(string, string) error { return errUnchanged }

func (unchangedFS) OpenReadWrite(string, vfs.DiskWriteCategory, ...vfs.OpenOption) (vfs.File, error) {
	return nil, errUnchanged
}

func (unchangedFS) Remove(string) error { return errUnchanged }

func (unchangedFS) RemoveAll(string) error { return errUnchanged }

func (unchangedFS) Rename(string, string) error { return errUnchanged }

func (unchangedFS) ReuseForWrite(string, string, vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, errUnchanged
}

func (unchangedFS) MkdirAll(string, os.FileMode) error { return errUnchanged }

func (unchangedFS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }
