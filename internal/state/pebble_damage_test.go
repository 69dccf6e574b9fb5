package state_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
)

func TestADirectoryThatCannotBeWrittenIsAnErrorWithItsName(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.EROFS, syscall.ENOSPC, syscall.EMFILE} {
		t.Run(errno.Error(), func(t *testing.T) {
			denied := errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
					return nil
				}
				return &fs.PathError{Op: "create", Path: op.Path, Err: errno}
			})
			memory := vfs.NewMem()
			p := newPebble(t, state.PebbleConfig{FS: errorfs.Wrap(memory, denied)})
			_, err := p.Open("state/task")
			if !errors.Is(err, errno) || errors.Is(err, weir.ErrLocked) || errors.Is(err, weir.ErrCorruptState) || !strings.Contains(err.Error(), "state/task") {
				t.Errorf("Open = %v", err)
			}
			openBackend(t, newPebble(t, state.PebbleConfig{FS: memory}), "state/task")
		})
	}
	t.Run("a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{file, filepath.Join(file, "task")} {
			_, err := newPebble(t, state.PebbleConfig{}).Open(dir)
			if err == nil || errors.Is(err, weir.ErrCorruptState) || errors.Is(err, weir.ErrLocked) || !strings.Contains(err.Error(), dir) {
				t.Errorf("Open(%s) = %v", dir, err)
			}
		}
	})
}

// K-83.
func TestDamagedFilesAreErrCorrupt(t *testing.T) {
	overwrite := func(offset int64, fill byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := offset; i < min(offset+2_000, int64(len(content))); i++ {
				content[i] ^= fill
			}
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	truncate := func(size int64) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(t *testing.T, path string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, files string
		damage      func(t *testing.T, path string)
	}{
		{"block of a table", "*.sst", overwrite(100, 0x55)},
		{"table cut short", "*.sst", truncate(1_000)},
		{"table emptied", "*.sst", truncate(0)},
		{"table missing", "*.sst", remove},
		{"manifest overwritten", "MANIFEST-*", overwrite(0, 0x55)},
		{"manifest emptied", "MANIFEST-*", truncate(0)},
		{"manifest missing", "MANIFEST-*", remove},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			config := state.PebbleConfig{MemTableBytes: 64 << 10}
			write := state.NewPebble(config)
			b, err := write.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3_000 {
				commit(t, b, false, fmt.Sprintf("%06d", i), strings.Repeat(fmt.Sprint(i), 50))
			}
			if err := errors.Join(b.Close(), write.Close()); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(dir, test.files))
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			for _, file := range files {
				test.damage(t, file)
			}
			p := newPebble(t, config)
			b, err = p.Open(dir)
			if err == nil {
				// Tables are read when they are needed.
				err = b.Scan(nil, nil, func(_, _ []byte) (bool, error) { return true, nil })
				var getErr error
				for i := 0; i < 3_000 && getErr == nil; i++ {
					_, getErr = b.Get(nil, fmt.Appendf(nil, "%06d", i))
				}
				if !errors.Is(getErr, weir.ErrCorruptState) {
					t.Errorf("Get = %v, want ErrCorrupt", getErr)
				}
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			}
			if !errors.Is(err, weir.ErrCorruptState) || errors.Is(err, weir.ErrLocked) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %v, want ErrCorrupt with the directory", err)
			}
			// Deleting and rebuilding is possible at once.
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if got := scanAll(t, openBackend(t, p, dir), nil, nil); len(got) != 0 {
				t.Errorf("%d entries in a new database", len(got))
			}
		})
	}
}

// Tables are read when they are needed, and so may be damaged after the database was opened.
func TestATableThatIsDamagedUnderAnOpenDatabaseIsCorrupt(t *testing.T) {
	half := func(path string) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		return os.Truncate(path, info.Size()/2)
	}
	for name, c := range map[string]struct {
		damage func(path string) error
		read   bool // whether a block of each table was read before
	}{
		"cut short":              {half, false},
		"cut short between uses": {half, true},
		"emptied":                {func(path string) error { return os.Truncate(path, 0) }, false},
		"missing":                {os.Remove, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			config := state.PebbleConfig{MemTableBytes: 64 << 10}
			write := state.NewPebble(config)
			b, err := write.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3_000 {
				commit(t, b, false, fmt.Sprintf("%06d", i), strings.Repeat(fmt.Sprint(i), 50))
			}
			if err := errors.Join(b.Close(), write.Close()); err != nil {
				t.Fatal(err)
			}
			b, err = newPebble(t, config).Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			for i := 0; i < 3_000 && c.read; i += 500 {
				if _, err := b.Get(nil, fmt.Appendf(nil, "%06d", i)); err != nil {
					t.Fatal(err)
				}
			}
			files, err := filepath.Glob(filepath.Join(dir, "*.sst"))
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			for _, file := range files {
				if err := c.damage(file); err != nil {
					t.Fatal(err)
				}
			}
			for i := 0; i < 3_000 && err == nil; i++ {
				_, err = b.Get(nil, fmt.Appendf(nil, "%06d", i))
			}
			if !errors.Is(err, weir.ErrCorruptState) || !strings.Contains(err.Error(), dir) {
				t.Errorf("Get = %v, want ErrCorruptState with the directory", err)
			}
			err = b.Scan(nil, nil, func(_, _ []byte) (bool, error) { return true, nil })
			if !errors.Is(err, weir.ErrCorruptState) {
				t.Errorf("Scan = %v, want ErrCorruptState", err)
			}
		})
	}
}

func TestACommitThatCannotBeWrittenReturnsItsErrorAndEndsTheDatabase(t *testing.T) {
	var full bool
	var mu sync.Mutex
	injector := errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if full && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasSuffix(op.Path, ".log") {
			return &fs.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		}
		return nil
	})
	p := state.NewPebble(state.PebbleConfig{FS: errorfs.Wrap(vfs.NewMem(), injector)})
	b, err := p.Open("task")
	if err != nil {
		t.Fatal(err)
	}
	commit(t, b, true, "key", "value")
	mu.Lock()
	full = true
	mu.Unlock()
	batch := b.NewBatch()
	err = errors.Join(batch.Set([]byte("key"), []byte("new")), batch.Commit(true))
	t.Log(err)
	if err == nil || errors.Is(err, weir.ErrCorruptState) || !strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
		t.Errorf("Commit = %v, want no space left", err)
	}
	again := b.NewBatch()
	if err := errors.Join(again.Set([]byte("key"), []byte("new")), again.Commit(false)); err == nil {
		t.Error("a commit after a failed one succeeded")
	}
	t.Log(b.Close(), p.Close())
}
