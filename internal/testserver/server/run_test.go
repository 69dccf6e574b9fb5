//go:build unix

package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestServersStartSideBySideAndTheCommandFindsThem(t *testing.T) {
	t.Parallel()
	var both sync.WaitGroup // until both have begun
	both.Add(2)
	together := func(s Server) Server {
		start := s.Start
		s.Start = func(ctx context.Context, i *Instance) error {
			both.Done()
			both.Wait()
			return start(ctx, i)
		}
		return s
	}
	status, messages, err := run(t, role("connects", "WEIR_TEST_FIRST", "WEIR_TEST_SECOND"),
		together(listening("first", "WEIR_TEST_FIRST")), together(listening("second", "WEIR_TEST_SECOND")))
	if status != 0 || err != nil {
		t.Errorf("status %d, %v, %s", status, err, messages)
	}
}

func TestAfterTheCommandNoServerIsLeftAndOthersStillRun(t *testing.T) {
	t.Parallel()
	other := stranger(t)
	var address string
	s := listening("server", "WEIR_TEST_SERVER")
	start := s.Start
	s.Start = func(ctx context.Context, i *Instance) error {
		err := start(ctx, i)
		_, address, _ = strings.Cut(i.exports[0], "=")
		return err
	}
	if status, messages, err := run(t, role("connects", "WEIR_TEST_SERVER"), s); status != 0 || err != nil {
		t.Fatalf("status %d, %v, %s", status, err, messages)
	}
	if accepts(address) {
		t.Error("the server still runs")
	}
	if !accepts(other) {
		t.Error("a server that somebody else started was ended")
	}
}

func TestTheStatusIsThatOfTheCommandAndAFailureShowsAndKeepsLogs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		command []string
		status  int
	}{
		"success":         {role("exits", "0"), 0},
		"failure":         {role("exits", "7"), 7},
		"killed":          {role("is killed"), 128 + int(syscall.SIGKILL)},
		"no such command": {[]string{"no-such-command"}, 127},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			logs := filepath.Join(t.TempDir(), "logs")
			status, messages, err := runWith(t.Context(), t, Options{
				Command: test.command, Servers: []Server{listening("server", "WEIR_TEST_SERVER")}, Logs: logs,
			})
			if status != test.status || (err == nil) != (status != 127) {
				t.Errorf("status %d instead of %d, %v", status, test.status, err)
			}
			kept, readErr := os.ReadFile(filepath.Join(logs, "server-server.log"))
			if status == 0 {
				if strings.Contains(messages, "serves") || readErr == nil {
					t.Errorf("shows or keeps logs: %s", messages)
				}
				return
			}
			if !strings.Contains(messages, "serves") {
				t.Errorf("does not show the log: %s", messages)
			}
			if readErr != nil || string(kept) != "serves\n" {
				t.Errorf("kept %q, %v", kept, readErr)
			}
		})
	}
}

func TestAServerThatEndsWhileTheCommandRunsIsAnError(t *testing.T) {
	t.Parallel()
	s := listening("server", "WEIR_TEST_SERVER")
	start := s.Start
	s.Start = func(ctx context.Context, i *Instance) error {
		err := start(ctx, i)
		i.programs[0].process.Signal(syscall.SIGKILL)
		return err
	}
	status, _, err := run(t, role("waits for the end", "WEIR_TEST_SERVER"), s)
	if status != 1 || err == nil || !strings.Contains(err.Error(), "server: server ended while the command ran: signal: killed") {
		t.Errorf("status %d, %v", status, err)
	}
}

// crashable is a server that its command may end.
func crashable(crashed *int) Server {
	return Server{Name: "server", Start: func(ctx context.Context, i *Instance) error {
		port, err := i.Port(ctx)
		if err != nil {
			return err
		}
		command := Command{Name: "server", Args: role("server", strconv.Itoa(port))}
		p, err := i.Start(ctx, command, Prints("serves"))
		i.On("kill", func(context.Context) error {
			*crashed++
			p.End(syscall.SIGKILL)
			return nil
		})
		i.On("restart", func(ctx context.Context) (err error) {
			p, err = i.Start(ctx, command, Prints("serves"))
			return err
		})
		i.On("fail", func(context.Context) error { return errors.New("the disk is full") })
		return err
	}}
}

func TestTheCommandCanCrashAndRestartAServer(t *testing.T) {
	t.Parallel()
	crashed := 0
	status, messages, err := run(t, role("asks", "server", "kill", "restart", "kill"), crashable(&crashed))
	if status != 0 || err != nil || crashed != 2 {
		t.Errorf("status %d, %d crashes, %v, %s", status, crashed, err, messages)
	}
}

func TestAVerbThatFailsAndOneThatIsUnknownAreErrorsOfTheCommand(t *testing.T) {
	t.Parallel()
	for _, command := range [][]string{role("asks", "server", "fail"), role("asks", "server", "unknown"), role("asks", "another", "kill")} {
		crashed := 0
		if status, _, err := run(t, command, crashable(&crashed)); status != 9 || err != nil || crashed != 0 {
			t.Errorf("%v: status %d, %v", command, status, err)
		}
	}
}

func TestWithoutACommandTheVariablesArePrinted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	var lines []string
	status, _, err := runWith(ctx, t, Options{
		Servers: []Server{listening("server", "WEIR_TEST_SERVER")},
		Print: func(line string) {
			lines = append(lines, line)
			if len(lines) == 2 {
				cancel(Interrupted{syscall.SIGINT})
			}
		},
	})
	if status != 0 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "export WEIR_TEST_CONTROL='") || !strings.HasPrefix(lines[1], "export WEIR_TEST_SERVER='127.0.0.1:") {
		t.Errorf("%q", lines)
	}
}

func TestValuesAreQuotedForShells(t *testing.T) {
	t.Parallel()
	if have, want := quoted("NAME=it's a=b"), `NAME='it'\''s a=b'`; have != want {
		t.Errorf("%s instead of %s", have, want)
	}
}
