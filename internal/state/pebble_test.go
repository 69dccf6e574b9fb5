package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

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
