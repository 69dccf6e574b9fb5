//go:build unix

package server

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/testserver/fetch"
)

// told collects messages to the user.
type told struct {
	mu   sync.Mutex
	text strings.Builder
}

func (m *told) say(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintf(&m.text, format+"\n", args...)
}

func (m *told) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.String()
}

// run runs servers and a command, in a directory for temporary files that has to be empty afterwards.
func run(t *testing.T, command []string, servers ...Server) (status int, messages string, err error) {
	t.Helper()
	return runWith(t.Context(), t, Options{Command: command, Servers: servers})
}

func runWith(ctx context.Context, t *testing.T, o Options) (status int, messages string, err error) {
	t.Helper()
	var m told
	o.Say = m.say
	o.Temporary = shortDirectory(t)
	o.Cache = fetch.NewCache(t.TempDir(), t.TempDir(), t.Logf)
	status, err = Run(ctx, o)
	if rest, readErr := os.ReadDir(o.Temporary); readErr != nil || len(rest) > 0 {
		t.Errorf("left behind: %v, %v", rest, readErr)
	}
	return status, m.String(), err
}

// shortDirectory is a temporary directory with a name that is short enough for sockets.
func shortDirectory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// stranger is the same program as those of the servers, started by somebody else. It returns its address.
func stranger(t *testing.T) string {
	t.Helper()
	var p ports
	port, err := p.free(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	args := role("server", strconv.Itoa(port))
	cmd := exec.Command(args[0], args[1:]...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	await(t, "the other server", func() bool { return accepts(Address(port)) })
	return Address(port)
}

// await waits for a condition.
func await(t *testing.T, name string, condition func() bool) {
	t.Helper()
	late := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("no %s within a minute", name)
		}
	}
}
