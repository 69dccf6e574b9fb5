//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tool runs a server and a command that waits for a signal, and returns the status.
func tool(variables string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGTERM, syscall.SIGINT)
	go func() { cancel(Interrupted{(<-caught).(syscall.Signal)}) }()
	status, err := Run(ctx, Options{
		Servers: []Server{listening("server", "WEIR_TEST_SERVER")}, Command: role("waits", variables), Temporary: filepath.Dir(variables),
		Say: func(format string, args ...any) { fmt.Printf(format+"\n", args...) },
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return status
}

// startTool starts the tool as a process of its own, and waits until its command runs. It returns the addresses of the
// server and the tool's temporary directory.
func startTool(t *testing.T) (cmd *exec.Cmd, server, temporary string) {
	t.Helper()
	temporary = shortDirectory(t)
	variables := filepath.Join(temporary, "variables")
	args := role("tool", variables)
	cmd = exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	await(t, "command", func() bool { _, err := os.Stat(variables); return err == nil })
	text, err := os.ReadFile(variables)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "WEIR_TEST_SERVER="); ok {
			server = value
		}
	}
	if err := os.Remove(variables); err != nil {
		t.Fatal(err)
	}
	if !accepts(server) {
		t.Fatalf("the server at %q does not run", server)
	}
	return cmd, server, temporary
}

func TestASignalEndsTheCommandAndTheServers(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			cmd, server, temporary := startTool(t)
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			exit, ok := errors.AsType[*exec.ExitError](cmd.Wait())
			if !ok || exit.ExitCode() != 128+int(s) {
				t.Errorf("%v instead of status %d", exit, 128+int(s))
			}
			if accepts(server) {
				t.Error("the server still runs")
			}
			if rest, err := os.ReadDir(temporary); err != nil || len(rest) > 0 {
				t.Errorf("left behind: %v, %v", rest, err)
			}
		})
	}
}

func TestAKilledToolLeavesNoServerAndTheNextOneRemovesItsDirectory(t *testing.T) {
	t.Parallel()
	cmd, server, temporary := startTool(t)
	removeForgotten(temporary)
	if kept, err := os.ReadDir(temporary); err != nil || len(kept) != 1 {
		t.Errorf("the directory of a tool that runs was removed: %v, %v", kept, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	await(t, "end of the server", func() bool { return !accepts(server) })
	removeForgotten(temporary)
	if rest, err := os.ReadDir(temporary); err != nil || len(rest) > 0 {
		t.Errorf("left behind: %v, %v", rest, err)
	}
}
