package state_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/weirstreams/weir/internal/state"
)

// A state disk that is full, for real.
func TestAFullDiskIsAnErrorAndTearsNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("weir", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skip("mounting a small file system is not allowed here:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	p := newPebble(t, state.PebbleConfig{MemTableBytes: 256 << 10})
	b, err := p.Open(dir + "/task")
	if err != nil {
		t.Fatal(err)
	}
	ballast := dir + "/ballast"
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	committed, err := fillUntilItFails(b, 5000, 300)
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("after %d batches: %v", committed, err)
	}
	if err := b.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("close: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	b, err = p.Open(dir + "/task")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got := wholeBatches(t, b); got < committed/7*7-7 || got > committed+1 {
		t.Errorf("the next database holds %d batches, of %d that were committed", got, committed)
	}
}
