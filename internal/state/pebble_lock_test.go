package state_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
)

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
