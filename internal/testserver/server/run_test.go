//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirstreams/weir/internal/testserver/control"
	"github.com/weirstreams/weir/internal/testserver/fetch"
)

// roleVariable makes the test binary a program of a test, with arguments.
const roleVariable = "WEIR_TEST_ROLE"

func TestMain(m *testing.M) {
	args := os.Args[1:]
	switch role := os.Getenv(roleVariable); role {
	case "":
		goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/weirstreams/weir/internal/testserver/process.launch"))
		return
	case "server": // on a port
		listener, err := net.Listen("tcp", "127.0.0.1:"+args[0])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("serves")
		for {
			connection, err := listener.Accept()
			if err != nil {
				os.Exit(1)
			}
			connection.Close()
		}
	case "never ready":
		fmt.Println("still reading the configuration")
		wait()
	case "fails":
		fmt.Println("cannot open the data")
		os.Exit(3)
	case "connects": // to the addresses of variables
		for _, name := range args {
			connection, err := net.Dial("tcp", os.Getenv(name))
			if err != nil {
				fmt.Println(name, err)
				os.Exit(1)
			}
			connection.Close()
		}
	case "waits for the end": // of whatever accepts connections at an address
		for tick := time.Tick(pollInterval); accepts(os.Getenv(args[0])); {
			<-tick
		}
	case "asks": // for verbs of a server
		for _, verb := range args[1:] {
			if err := control.Do(context.Background(), args[0], verb); err != nil {
				fmt.Println(err)
				os.Exit(9)
			}
		}
	case "exits":
		status, err := strconv.Atoi(args[0])
		if err != nil {
			panic(err)
		}
		os.Exit(status)
	case "is killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "waits": // for a signal, after it has written the variables into a file
		if err := os.WriteFile(args[0]+".part", []byte(strings.Join(os.Environ(), "\n")), 0o644); err != nil {
			panic(err)
		}
		if err := os.Rename(args[0]+".part", args[0]); err != nil {
			panic(err)
		}
		wait()
	case "tool": // with one server and a command that waits
		os.Exit(tool(args[0]))
	default:
		panic(role)
	}
	os.Exit(0)
}

// wait waits for a signal. A select without cases would be a deadlock.
func wait() {
	for range time.Tick(time.Hour) {
	}
}

// accepts tells whether an address accepts connections.
func accepts(address string) bool {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}

// role is a command: the test binary in a role.
func role(name string, args ...string) []string {
	return append([]string{"env", roleVariable + "=" + name, os.Args[0]}, args...)
}

// listening is a server that exports its address.
func listening(name, variable string) Server {
	return Server{Name: name, Start: func(ctx context.Context, i *Instance) error {
		port, err := i.Port(ctx)
		if err != nil {
			return err
		}
		i.Export(variable, Address(port))
		_, err = i.Start(ctx, Command{Name: name, Args: role("server", strconv.Itoa(port))}, Listens(port))
		return err
	}}
}

// running is a server with one program that is never ready.
func running(name string, c Command) Server {
	return Server{Name: name, Start: func(ctx context.Context, i *Instance) error {
		_, err := i.Start(ctx, c, Prints("serves"))
		return err
	}}
}

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

func TestAServerThatIsNotReadyInTimeShowsItsLog(t *testing.T) {
	t.Parallel()
	status, _, err := run(t, role("exits", "0"), Server{Name: "slow", Start: func(ctx context.Context, i *Instance) error {
		_, err := i.Start(ctx, Command{Name: "program", Args: role("never ready"), Within: time.Millisecond},
			func(context.Context, []byte) bool {
				await(t, "output", func() bool {
					output, err := i.Output("program")
					return err == nil && len(output) > 0
				})
				return false
			})
		return err
	}})
	if status != 1 || err == nil {
		t.Fatalf("status %d, %v", status, err)
	}
	for _, want := range []string{"start slow: program: was not ready within 1ms", "still reading the configuration"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in the error: %v", want, err)
		}
	}
}

func TestAServerThatEndsBeforeItIsReadyShowsItsLog(t *testing.T) {
	t.Parallel()
	status, _, err := run(t, role("exits", "0"), running("broken", Command{Name: "program", Args: role("fails")}))
	if status != 1 || err == nil {
		t.Fatalf("status %d, %v", status, err)
	}
	for _, want := range []string{"ended before it was ready: exit status 3", "cannot open the data"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in the error: %v", want, err)
		}
	}
}

func TestTheFailureOfOneServerEndsTheStartOfOthers(t *testing.T) {
	t.Parallel()
	_, _, err := run(t, role("exits", "0"),
		running("waiting", Command{Name: "program", Args: role("never ready"), Within: time.Hour}),
		running("broken", Command{Name: "program", Args: role("fails")}))
	if err == nil || !strings.Contains(err.Error(), "start broken") || strings.Contains(err.Error(), "start waiting") {
		t.Errorf("%v", err)
	}
}

func TestAServerWhosePortWasTakenStartsWithAnother(t *testing.T) {
	t.Parallel()
	_, taken, err := net.SplitHostPort(stranger(t))
	if err != nil {
		t.Fatal(err)
	}
	attempts := 0
	status, messages, err := run(t, role("connects", "WEIR_TEST_SERVER"), Server{Name: "server", Start: func(ctx context.Context, i *Instance) error {
		attempts++
		if attempts > 1 {
			return listening("server", "WEIR_TEST_SERVER").Start(ctx, i)
		}
		i.Export("WEIR_TEST_SERVER", "the address of the first attempt")
		_, err := i.Start(ctx, Command{Name: "server", Args: role("server", taken)}, Prints("serves"))
		return err
	}})
	if status != 0 || err != nil || attempts != 2 {
		t.Errorf("status %d after %d attempts, %v, %s", status, attempts, err, messages)
	}
}

func TestNoPortIsGivenTwice(t *testing.T) {
	t.Parallel()
	var p ports
	seen := map[int]bool{}
	for range 500 {
		port, err := p.free(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] {
			t.Fatalf("%d was given twice", port)
		}
		seen[port] = true
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
