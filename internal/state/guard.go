package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guard is the file system of one database, which stops with the first write that fails.
//
// Pebble cannot go on when its log or its manifest cannot be written, as on a full disk. It panics then, partly on goroutines of
// its own and with locks given up that it gives up again, which ends the process. So Pebble does not hear of the failure: all
// that it writes from then on goes to memory, and the files stay as they are, as after a crash of the machine. The database
// returns the failure instead of results, and is closed. The next Open finds a database at some batch that was committed.
type guard struct {
	vfs.FS // the files
	dir    string
	failed atomic.Pointer[guardError]

	mu     sync.Mutex // guards memory while it is made
	memory *vfs.MemFS // what is written after the failure
	made   map[string]struct{}
}

// guardError is the failure of a write.
type guardError struct{ err error }

func (e *guardError) Error() string {
	return fmt.Sprintf("the files of the database cannot be written: %v; nothing that was committed to the cluster is lost: "+
		"mend the cause, as with room on the disk, and start again", e.err)
}

func (e *guardError) Unwrap() error { return e.err }

func newGuard(files vfs.FS, dir string) *guard { return &guard{FS: files, dir: dir} }

// failure returns the error of the first write that failed, or nil.
func (g *guard) failure() error {
	if e := g.failed.Load(); e != nil {
		return e
	}
	return nil
}

// fail notes the first failure.
func (g *guard) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed.Load() != nil {
		return
	}
	g.memory, g.made = vfs.NewMem(), map[string]struct{}{}
	_ = g.memory.MkdirAll(g.dir, 0o755) // memory does not fail
	g.failed.Store(&guardError{err})
}

// broken reports whether err is a failure of the disk: not that a file is there, or is not.
func (g *guard) broken(err error) bool {
	return err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist)
}

// inMemory reports whether a file was made after the failure.
func (g *guard) inMemory(name string) bool {
	if g.failed.Load() == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.made[name]
	return ok
}

// create makes a file in memory.
func (g *guard) create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	g.mu.Lock()
	g.made[name] = struct{}{}
	g.mu.Unlock()
	return g.memory.Create(name, category)
}

// move notes that a file in memory has another name, or one more.
func (g *guard) move(from, to string, keep bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !keep {
		delete(g.made, from)
	}
	g.made[to] = struct{}{}
}

// attempt runs a change of the files unless there was a failure, and reports whether it counts.
func (g *guard) attempt(change func() error) (done bool, err error) {
	if g.failed.Load() != nil {
		return false, nil
	}
	err = change()
	if g.broken(err) {
		g.fail(err)
		return false, nil
	}
	return true, err
}

func (g *guard) open(name string, category vfs.DiskWriteCategory, open func() (vfs.File, error)) (file vfs.File, err error) {
	done, err := g.attempt(func() (err error) {
		file, err = open()
		return err
	})
	if !done {
		return g.create(name, category)
	}
	if err != nil {
		return nil, err
	}
	return &guardedFile{file, g}, nil
}

// Create implements [vfs.FS].
func (g *guard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.open(name, category, func() (vfs.File, error) { return g.FS.Create(name, category) })
}

// OpenReadWrite implements [vfs.FS].
func (g *guard) OpenReadWrite(name string, category vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	return g.open(name, category, func() (vfs.File, error) { return g.FS.OpenReadWrite(name, category, options...) })
}

// ReuseForWrite implements [vfs.FS].
func (g *guard) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.open(name, category, func() (vfs.File, error) { return g.FS.ReuseForWrite(old, name, category) })
}

// Open implements [vfs.FS].
func (g *guard) Open(name string, options ...vfs.OpenOption) (vfs.File, error) {
	if g.inMemory(name) {
		return g.memory.Open(name, options...)
	}
	return g.FS.Open(name, options...)
}

// OpenDir implements [vfs.FS].
func (g *guard) OpenDir(name string) (vfs.File, error) {
	file, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &guardedFile{file, g}, nil
}

// Stat implements [vfs.FS].
func (g *guard) Stat(name string) (vfs.FileInfo, error) {
	if g.inMemory(name) {
		return g.memory.Stat(name)
	}
	return g.FS.Stat(name)
}

// Link implements [vfs.FS].
func (g *guard) Link(from, to string) error {
	if g.inMemory(from) {
		g.move(from, to, true)
		return g.memory.Link(from, to)
	}
	_, err := g.attempt(func() error { return g.FS.Link(from, to) })
	return err
}

// Rename implements [vfs.FS].
func (g *guard) Rename(from, to string) error {
	if g.inMemory(from) {
		g.move(from, to, false)
		return g.memory.Rename(from, to)
	}
	_, err := g.attempt(func() error { return g.FS.Rename(from, to) })
	return err
}

// Remove implements [vfs.FS].
func (g *guard) Remove(name string) error {
	_, err := g.attempt(func() error { return g.FS.Remove(name) })
	return err
}

// RemoveAll implements [vfs.FS].
func (g *guard) RemoveAll(name string) error {
	_, err := g.attempt(func() error { return g.FS.RemoveAll(name) })
	return err
}

// MkdirAll implements [vfs.FS].
func (g *guard) MkdirAll(dir string, perm os.FileMode) error {
	_, err := g.attempt(func() error { return g.FS.MkdirAll(dir, perm) })
	return err
}

// Unwrap implements [vfs.FS].
func (g *guard) Unwrap() vfs.FS { return g.FS }

// guardedFile is a file that stays as it is when a write has failed.
type guardedFile struct {
	vfs.File
	guard *guard
}

// Write implements [vfs.File].
func (f *guardedFile) Write(p []byte) (n int, err error) {
	if done, err := f.guard.attempt(func() (err error) { n, err = f.File.Write(p); return err }); done {
		return n, err
	}
	return len(p), nil
}

// WriteAt implements [vfs.File].
func (f *guardedFile) WriteAt(p []byte, offset int64) (n int, err error) {
	if done, err := f.guard.attempt(func() (err error) { n, err = f.File.WriteAt(p, offset); return err }); done {
		return n, err
	}
	return len(p), nil
}

// Preallocate implements [vfs.File]. It is a hint: if there is no room, the write says so.
func (f *guardedFile) Preallocate(offset, length int64) error {
	if f.guard.failed.Load() == nil {
		_ = f.File.Preallocate(offset, length)
	}
	return nil
}

// Sync implements [vfs.File].
func (f *guardedFile) Sync() error {
	_, err := f.guard.attempt(f.File.Sync)
	return err
}

// SyncData implements [vfs.File].
func (f *guardedFile) SyncData() error {
	_, err := f.guard.attempt(f.File.SyncData)
	return err
}

// SyncTo implements [vfs.File].
func (f *guardedFile) SyncTo(length int64) (full bool, err error) {
	_, err = f.guard.attempt(func() (err error) { full, err = f.File.SyncTo(length); return err })
	return full, err
}

// Close implements [vfs.File].
func (f *guardedFile) Close() error {
	if f.guard.failed.Load() != nil {
		_ = f.File.Close()
		return nil
	}
	_, err := f.guard.attempt(f.File.Close)
	return err
}
