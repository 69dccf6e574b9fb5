package state_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
)

// Batch n sets the counter to n and adds ten keys that carry n. A crash keeps some batches from the first on, whole, and
// at least the synced ones.
func TestAfterACrashTheDatabaseIsAtABatchBoundary(t *testing.T) {
	random := rand.New(rand.NewPCG(longtest.Seed(t), 0))
	lost := 0
	for round := range 25 {
		disk := vfs.NewCrashableMem()
		done, synced := 0, 0
		for range 1 + random.IntN(3) { // crashes of the same database one after the other
			p := state.NewPebble(state.PebbleConfig{FS: disk, MemTableBytes: 64 << 10})
			b, err := p.Open("state/task")
			if err != nil {
				t.Fatalf("round %d: after a crash: %v", round, err)
			}
			kept := checkBatches(t, b)
			if kept < synced || kept > done {
				t.Fatalf("round %d: %d batches after the crash, want between %d (synced) and %d", round, kept, synced, done)
			}
			lost += done - kept
			done, synced = kept, kept
			for range random.IntN(60) {
				sync := random.IntN(20) == 0
				done++
				changes := []any{"count", strconv.Itoa(done)}
				for i := range 10 {
					filler := make([]byte, random.IntN(2_000))
					for j := range filler {
						filler[j] = byte(random.Uint32())
					}
					changes = append(changes, fmt.Sprintf("batch %06d key %d", done, i), string(filler))
				}
				commit(t, b, sync, changes...)
				if sync {
					synced = done
				}
				if !sync && random.IntN(30) == 0 {
					if err := b.Sync(); err != nil {
						t.Fatal(err)
					}
					synced = done
				}
			}
			crashed := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
			if err := errors.Join(b.Close(), p.Close()); err != nil {
				t.Fatal(err)
			}
			disk = crashed
		}
	}
	if lost == 0 {
		t.Error("no crash lost anything: the test shows nothing")
	}
	t.Logf("%d batches lost", lost)
}

// checkBatches returns the number of batches in b and fails if one is torn or missing.
func checkBatches(t *testing.T, b state.Backend) int {
	t.Helper()
	value, err := b.Get(nil, []byte("count"))
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		t.Fatal(err)
	}
	count, _ := strconv.Atoi(string(value))
	entries := scanAll(t, b, []byte("batch "), []byte("batch!"))
	if len(entries) != 10*count {
		t.Fatalf("%d entries for %d batches", len(entries), count)
	}
	for i, e := range entries {
		if want := fmt.Sprintf("batch %06d key %d", i/10+1, i%10); e.Key != want {
			t.Fatalf("found %q, want %q", e.Key, want)
		}
	}
	return count
}

func TestTheBlockCacheKeepsItsSizeWhateverIsOpen(t *testing.T) {
	const cache, memtable, entries = 4 << 20, 512 << 10, 12_000
	for _, tasks := range []int{1, 8} {
		t.Run(fmt.Sprint(tasks), func(t *testing.T) {
			p := newPebble(t, state.PebbleConfig{FS: vfs.NewMem(), CacheBytes: cache, MemTableBytes: memtable, MaxTasks: 100})
			random := rand.NewChaCha8([32]byte{})
			var open []state.Backend
			for i := range tasks {
				b := openBackend(t, p, fmt.Sprint("task", i))
				open = append(open, b)
				value := make([]byte, 1_000)
				for j := range entries / tasks {
					_, _ = random.Read(value) // never fails
					commit(t, b, false, fmt.Sprintf("%06d", j), string(value))
				}
			}
			for range 2 {
				for _, b := range open {
					scanAll(t, b, nil, nil)
				}
				for i, b := range open {
					for j := range 1_000 {
						if _, err := b.Get(nil, fmt.Appendf(nil, "%06d", (j*31)%(entries/tasks))); err != nil {
							t.Fatal(i, j, err)
						}
					}
				}
			}
			got := p.Stats()
			if got.CacheBytes < cache*7/10 || got.CacheBytes > cache*11/10 {
				t.Errorf("%d bytes of blocks are cached, want about %d", got.CacheBytes, cache)
			}
			if got.CacheHits == 0 || got.Databases != tasks {
				t.Errorf("stats %+v", got)
			}
		})
	}
}

// Many databases share fewer compaction slots than want to compact, and close while others compact.
func TestManyDatabasesCompactAndCloseTogether(t *testing.T) {
	p := newPebble(t, state.PebbleConfig{FS: vfs.NewMem(), MemTableBytes: 32 << 10})
	var group sync.WaitGroup
	for task := range 12 {
		group.Go(func() {
			dir := fmt.Sprint("task", task)
			for round := range 2 {
				b, err := p.Open(dir)
				if err != nil {
					t.Error(err)
					return
				}
				for i := range 40 {
					batch := b.NewBatch()
					for j := range 100 {
						if err := batch.Set(fmt.Appendf(nil, "%d", (i*7919+j*104729)%5_000), bytes.Repeat([]byte{byte(round)}, 100)); err != nil {
							t.Error(err)
						}
					}
					if err := errors.Join(batch.Commit(false), batch.Close()); err != nil {
						t.Error(err)
					}
				}
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func TestPebbleCloseRefusesWhileDatabasesAreOpen(t *testing.T) {
	p := state.NewPebble(state.PebbleConfig{FS: vfs.NewMem()})
	b, err := p.Open("task")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err == nil || !strings.Contains(err.Error(), "1 databases") {
		t.Errorf("Close with an open database: %v", err)
	}
	if err := errors.Join(b.Close(), b.Close(), p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
	if _, err := p.Open("task"); err == nil {
		t.Error("Open after Close did not fail")
	}
}

func TestAClosedDatabaseReturnsErrors(t *testing.T) {
	p := newPebble(t, state.PebbleConfig{FS: vfs.NewMem()})
	b := openBackend(t, p, "task")
	batch := b.NewBatch()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(nil, []byte("k")); err == nil || errors.Is(err, state.ErrNotFound) {
		t.Errorf("Get: %v", err)
	}
	if err := b.Scan(nil, nil, nil); err == nil {
		t.Error("Scan did not fail")
	}
	if err := errors.Join(batch.Set([]byte("k"), nil)); err != nil {
		t.Error(err)
	}
	if err := batch.Commit(true); err == nil {
		t.Error("Commit did not fail")
	}
	if err := b.Sync(); err == nil {
		t.Error("Sync did not fail")
	}
	if b.Size() != 0 {
		t.Error("Size is not 0")
	}
}

func TestADatabaseOpensOnceInAProcess(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip(err)
	}
	first, second := newPebble(t, state.PebbleConfig{}), newPebble(t, state.PebbleConfig{})
	given := newPebble(t, state.PebbleConfig{FS: vfs.Default})
	b := openBackend(t, first, dir)
	commit(t, b, false, "key", "value")
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(wd, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, attempt := range []struct {
		p   *state.Pebble
		dir string
	}{{first, dir}, {second, dir}, {first, relative}, {second, link}, {given, dir}} {
		if _, err := attempt.p.Open(attempt.dir); !errors.Is(err, weir.ErrLocked) || errors.Is(err, weir.ErrCorruptState) {
			t.Errorf("Open(%s) = %v, want weir.ErrLocked", attempt.dir, err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = openBackend(t, second, link)
	if got, err := b.Get(nil, []byte("key")); err != nil || string(got) != "value" {
		t.Errorf("Get = %q, %v", got, err)
	}

	memory := vfs.NewMem()
	openBackend(t, newPebble(t, state.PebbleConfig{FS: memory}), "task")
	if _, err := newPebble(t, state.PebbleConfig{FS: memory}).Open("task"); !errors.Is(err, weir.ErrLocked) {
		t.Errorf("Open in memory = %v, want weir.ErrLocked", err)
	}
	openBackend(t, newPebble(t, state.PebbleConfig{FS: vfs.NewMem()}), "task")
}

// childTask is the environment variable that makes the test binary a process which holds what a test wants to take.
const childTask = "WEIR_STORE_TEST_CHILD"

// TestChildProcess is not a test: it is what a child process does. It holds its resource until it is killed.
func TestChildProcess(t *testing.T) {
	kind, dir, ok := strings.Cut(os.Getenv(childTask), ":")
	if !ok {
		t.Skip("runs in child processes only")
	}
	switch kind {
	case "database":
		b, err := state.NewPebble(state.PebbleConfig{}).Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		commit(t, b, true, "from", "child")
	case "directory":
		if _, err := state.LockDir(context.Background(), dir, 0); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println("holding")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is gone, should it forget to kill us
}

// startChild starts a process that holds a resource, and returns when it does.
func startChild(t *testing.T, kind, dir string) *exec.Cmd {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestChildProcess$")
	child.Env = append(os.Environ(), childTask+"="+kind+":"+dir)
	child.Stderr = os.Stderr
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(child) })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "holding" {
			return child
		}
		t.Log("child:", lines.Text())
	}
	t.Fatal("the child ended")
	return nil
}

// kill ends a child without giving it a chance to clean up.
func kill(child *exec.Cmd) {
	_ = child.Process.Kill()
	_ = child.Wait()
}

func TestADatabaseOfAnotherProcessIsLockedUntilThatIsKilled(t *testing.T) {
	dir := t.TempDir()
	child := startChild(t, "database", dir)
	p := newPebble(t, state.PebbleConfig{})
	if _, err := p.Open(dir); !errors.Is(err, weir.ErrLocked) || errors.Is(err, weir.ErrCorruptState) || !strings.Contains(err.Error(), dir) {
		t.Errorf("Open = %v, want weir.ErrLocked with the directory", err)
	}
	kill(child)
	b := openBackend(t, p, dir)
	if got, err := b.Get(nil, []byte("from")); err != nil || string(got) != "child" {
		t.Errorf("Get = %q, %v", got, err)
	}
}

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
