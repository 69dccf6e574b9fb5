package state_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
)

// fillUntilItFails commits batches of 10 rows until one fails, or rows are written, and returns how many were committed. Every
// row of a batch has its number for a value.
func fillUntilItFails(b state.Backend, batches, valueBytes int) (committed int, err error) {
	value := strings.Repeat("x", valueBytes)
	for n := range batches {
		if n%50 == 49 {
			var entries state.Entries
			for i := range 10 {
				entries.Set(fmt.Appendf(nil, "%06d/%d", n, i), []byte(fmt.Sprint(n, value)))
			}
			if err := b.Load(&entries); err != nil {
				return n, err
			}
			continue
		}
		batch := b.NewBatch()
		for i := range 10 {
			if err := batch.Set(fmt.Appendf(nil, "%06d/%d", n, i), []byte(fmt.Sprint(n, value))); err != nil {
				return n, err
			}
		}
		err := batch.Commit(n%7 == 0)
		_ = batch.Close()
		if err != nil {
			return n, err
		}
	}
	return batches, nil
}

// wholeBatches checks that a database holds whole batches, in order, and returns how many.
func wholeBatches(t *testing.T, b state.Backend) int {
	t.Helper()
	entries := scanAll(t, b, nil, nil)
	for i, e := range entries {
		if want := fmt.Sprintf("%06d/%d", i/10, i%10); e.Key != want {
			t.Fatalf("entry %d is %q, want %q", i, e.Key, want)
		}
	}
	if len(entries)%10 != 0 {
		t.Fatalf("%d entries: a batch is torn", len(entries))
	}
	return len(entries) / 10
}

// Whatever write is the first to fail, and all after it: the database says so and ends, without ending the process, and the next
// one holds what was synced, and whole batches.
func TestADiskThatFailsAtAnyWriteIsAnErrorAndTearsNothing(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO} {
		t.Run(errno.Error(), func(t *testing.T) {
			step := 1
			for at := 0; ; at += step {
				if at >= 60 {
					step = 17
				}
				if !failAtWrite(t, int64(at), errno) {
					break
				}
			}
		})
	}
}

// failAtWrite reports false if there are not so many writes.
func failAtWrite(t *testing.T, at int64, errno syscall.Errno) bool {
	t.Helper()
	var writes atomic.Int64
	var repaired atomic.Bool
	files := vfs.NewMem()
	injector := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && writes.Add(1) > at && !repaired.Load() {
			return &fs.PathError{Op: "write", Path: op.Path, Err: errno}
		}
		return nil
	})
	p := state.NewPebble(state.PebbleConfig{FS: errorfs.Wrap(files, injector), MemTableBytes: 64 << 10})
	const batches = 150
	b, err := p.Open("task")
	committed := 0
	if err == nil {
		committed, err = fillUntilItFails(b, batches, 200)
		if closed := b.Close(); err == nil {
			err = closed
		}
	}
	failed := writes.Load() > at
	if failed && (err == nil && committed < batches || err != nil && !errors.Is(err, errno)) {
		t.Fatalf("write %d failed, and the database returned %v after %d batches", at, err, committed)
	}
	if errors.Is(err, weir.ErrCorruptState) {
		t.Fatalf("write %d failed, and the database is taken for corrupt: %v", at, err)
	}
	if closed := p.Close(); closed != nil {
		t.Fatal(closed)
	}
	repaired.Store(true)
	p = newPebble(t, state.PebbleConfig{FS: files})
	got := wholeBatches(t, openBackend(t, p, "task"))
	if synced := committed / 7 * 7; got < synced-7 || got > committed+1 {
		t.Fatalf("write %d failed after %d batches: the next database holds %d", at, committed, got)
	}
	return failed
}
