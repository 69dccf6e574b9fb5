package stage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

func TestAFileOnADiskThatFailsKeepsItsContent(t *testing.T) {
	base := t.TempDir()
	a, err := Open(base, sink.Task{Sink: "s"})
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("0123456789abcdef"), spillSize/8)
	f := a.NewFile()
	// The folder is away while the file is written, and is back later.
	if err := os.Rename(a.dir, a.dir+"-away"); err != nil {
		t.Fatal(err)
	}
	for part := content; len(part) > 0; part = part[16:] {
		if n, err := f.Write(part[:16]); n != 16 || err != nil {
			t.Fatal(n, err)
		}
	}
	f.Release()
	c := sink.Checkpoint{ID: 1, Epoch: "a"}
	if token, err := a.Prepare(t.Context(), c, []Target{{f, "x"}}); err == nil {
		t.Fatalf("prepared without a folder: %s", token)
	}
	if err := os.Rename(a.dir+"-away", a.dir); err != nil {
		t.Fatal(err)
	}
	c.ID++
	token, err := a.Prepare(t.Context(), c, []Target{{f, "x"}})
	if err != nil {
		t.Fatal(err)
	}
	w, found, err := a.Find(token, nil)
	if err != nil || !found {
		t.Fatal(found, err)
	}
	if got, err := os.ReadFile(w.Path(0)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, want %d; %v", len(got), len(content), err)
	}
	if left, _ := filepath.Glob(filepath.Join(a.dir, "*")); len(left) != 1 {
		t.Errorf("left: %q", left)
	}
}

func TestAFullDiskIsWaitedForAndMissingPermissionsAreNot(t *testing.T) {
	full := fmt.Errorf("x: %w", &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
	if err := Later(full); !errors.As(err, new(*weir.RetryLaterError)) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("full disk: %v", err)
	}
	for _, err := range []error{&os.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, fmt.Errorf("x: %w", &syncError{syscall.ENOSPC}), nil} {
		if later := Later(err); errors.As(later, new(*weir.RetryLaterError)) {
			t.Errorf("%v is tried again", err)
		}
	}
}
