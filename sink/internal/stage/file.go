package stage

import (
	"errors"
	"os"
)

// spillSize is how much of a file is held in memory before it is written.
const spillSize = 256 << 10

// File is a file that is being written. Its content is in memory until a write of it has succeeded, so that a full disk loses nothing. It is used
// by one goroutine at a time.
type File struct {
	area    *Area
	pending []byte
	// path and out are the file on the disk, which is made by the first write.
	path    string
	out     *os.File
	written int64
	// finished says that path is synced and closed.
	finished bool
	// failed is the error of the last try to write. The next one may succeed.
	failed error
}

// NewFile returns an empty file.
func (a *Area) NewFile() *File { return &File{area: a} }

// Write adds to the content. It never fails: bytes that cannot be written stay in memory, and finish fails.
func (f *File) Write(data []byte) (int, error) {
	f.pending = append(f.pending, data...)
	if len(f.pending) >= spillSize && f.failed == nil {
		f.failed = f.Spill()
	}
	return len(data), nil
}

// Size is the number of bytes of the content.
func (f *File) Size() int64 { return f.written + int64(len(f.pending)) }

// Pending is the number of bytes in memory.
func (f *File) Pending() int64 { return int64(len(f.pending)) }

// Spill writes the bytes in memory to the file.
func (f *File) Spill() error {
	if len(f.pending) == 0 {
		return nil
	}
	if f.out == nil {
		out, err := os.CreateTemp(f.area.dir, openFile+f.area.epoch+"-*")
		if err != nil {
			return err
		}
		f.out, f.path = out, out.Name()
	}
	if _, err := f.out.WriteAt(f.pending, f.written); err != nil {
		return err
	}
	f.written += int64(len(f.pending))
	f.pending = f.pending[:0]
	return nil
}

// Release gives the memory and the handle of a whole file back, if the disk takes its content.
func (f *File) Release() {
	if f.failed = f.Spill(); f.failed != nil || f.out == nil {
		return
	}
	f.pending = nil
	// The sync and the close are those of finish, which opens the file again.
	if err := f.out.Close(); err == nil {
		f.out = nil
	}
}

// finish writes and syncs the content, closes the file, and moves it to a path.
func (f *File) finish(path string) error {
	if !f.finished {
		if f.out == nil {
			if err := f.reopen(path); err != nil {
				return err
			}
		}
		if f.failed = f.Spill(); f.failed != nil {
			return f.failed
		}
		if err := f.out.Sync(); err != nil {
			return &syncError{err}
		}
		if err := f.out.Close(); err != nil {
			return err
		}
		f.out, f.pending, f.finished = nil, nil, true
	}
	if f.path == path {
		return nil
	}
	if err := os.Rename(f.path, path); err != nil {
		return err
	}
	f.path = path
	return nil
}

// reopen opens a file that was released, or makes one that was never written.
func (f *File) reopen(path string) (err error) {
	if f.path != "" {
		f.out, err = os.OpenFile(f.path, os.O_RDWR, 0)
		return err
	}
	f.out, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err == nil {
		f.path = path
	}
	return err
}

// Remove forgets the file.
func (f *File) Remove() error {
	var errs []error
	if f.out != nil {
		errs = append(errs, f.out.Close())
		f.out = nil
	}
	if f.path != "" {
		errs = append(errs, removeAll(f.path))
	}
	f.pending = nil
	return errors.Join(errs...)
}

// syncError says that the system could not make written data durable. Another try may say that it did, although it has dropped the data.
type syncError struct{ err error }

func (e *syncError) Error() string   { return e.err.Error() }
func (e *syncError) Unwrap() error   { return e.err }
func (e *syncError) Permanent() bool { return true }
