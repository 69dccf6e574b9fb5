//go:build unix

package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// roleVariable makes the test binary a program of a test.
const roleVariable = "WEIR_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(guardVariable) != "" {
		stand(os.Stdin)
		return
	}
	switch role := os.Getenv(roleVariable); role {
	case "":
		goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/weirstreams/weir/internal/testserver/process.launch"))
	case "waits":
		fmt.Println("waits")
		wait()
	case "ends and leaves a child": // in its own process group
		startChild()
	case "starts a program":
		if _, err := Start(Spec{Args: os.Args[:1], Env: []string{roleVariable + "=waits"}, Stdout: os.Stdout}); err != nil {
			panic(err)
		}
		wait()
	case "starts a program that leaves a child":
		if err := Guard(); err != nil {
			panic(err)
		}
		GuardDirectory(os.Args[1])
		if _, err := Start(Spec{Args: os.Args[:1], Env: []string{roleVariable + "=starts a child"}, Stdout: os.Stdout}); err != nil {
			panic(err)
		}
		wait()
	case "starts a child": // in its own process group
		startChild()
		wait()
	case "ignores SIGTERM":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("waits")
		wait()
	case "fails":
		os.Exit(3)
	default:
		panic(role)
	}
}

func startChild() {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), roleVariable+"=waits")
	child.Stdout = os.Stdout
	if err := child.Start(); err != nil {
		panic(err)
	}
}

// wait waits for a signal. A select without cases would be a deadlock.
func wait() {
	for range time.Tick(time.Hour) {
	}
}

// spec is the test binary in a role. Its output goes to the returned pipe, which ends when nobody is left that could write to
// it: the program and its children.
func spec(t *testing.T, role string) (Spec, *output) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	if err := r.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return Spec{Args: os.Args[:1], Env: []string{roleVariable + "=" + role}, Stdout: w}, &output{t, bufio.NewReader(r), w}
}

type output struct {
	t      *testing.T
	reader *bufio.Reader
	ours   *os.File
}

// awaitLine waits until the program has printed a line.
func (o *output) awaitLine() {
	o.t.Helper()
	if _, err := o.reader.ReadString('\n'); err != nil {
		o.t.Fatal(err)
	}
}

// awaitEnd waits until nobody can write.
func (o *output) awaitEnd() {
	o.t.Helper()
	o.ours.Close()
	if _, err := io.Copy(io.Discard, o.reader); err != nil {
		o.t.Fatalf("a program is left over: %v", err)
	}
}

func start(t *testing.T, s Spec) *Process {
	t.Helper()
	p, err := Start(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(syscall.SIGKILL, time.Minute) })
	return p
}

func TestChildrenThatAProgramLeavesBehindEndWithIt(t *testing.T) {
	t.Parallel()
	s, out := spec(t, "ends and leaves a child")
	if err := start(t, s).Err(); err != nil {
		t.Fatal(err)
	}
	out.awaitEnd()
}

func TestAProgramEndsWhenItsParentIsKilled(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the parent-death signal is Linux's")
	}
	s, out := spec(t, "starts a program")
	parent := exec.Command(s.Args[0])
	parent.Env = append(os.Environ(), s.Env...)
	parent.Stdout = s.Stdout
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	out.awaitLine()
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed
	out.awaitEnd()
}

func TestGrandchildrenAndDirectoriesOfAKilledParentAreGone(t *testing.T) {
	t.Parallel()
	s, out := spec(t, "starts a program that leaves a child")
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(s.Args[0], dir)
	parent.Env = append(os.Environ(), s.Env...)
	parent.Stdout = s.Stdout
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	out.awaitLine()
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed
	out.awaitEnd()
	late := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("the directory is still there")
		}
	}
}

func TestStopEndsOneProgramAndNoOther(t *testing.T) {
	t.Parallel()
	first, firstOut := spec(t, "waits")
	second, secondOut := spec(t, "waits")
	one, other := start(t, first), start(t, second)
	firstOut.awaitLine()
	secondOut.awaitLine()
	one.Stop(syscall.SIGTERM, time.Minute)
	one.Signal(syscall.SIGKILL) // its number may belong to others now
	firstOut.awaitEnd()
	exit, ok := errors.AsType[*exec.ExitError](one.Err())
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v instead of SIGTERM", one.Err())
	}
	// A signal that only asks whether the other is there.
	if err := syscall.Kill(other.group, 0); err != nil {
		t.Errorf("the other program: %v", err)
	}
	select {
	case <-other.Done():
		t.Errorf("the other program ended: %v", other.Err())
	default:
	}
}

func TestAProgramThatIgnoresASignalIsKilled(t *testing.T) {
	t.Parallel()
	s, out := spec(t, "ignores SIGTERM")
	p := start(t, s)
	out.awaitLine()
	p.Stop(syscall.SIGTERM, 10*time.Millisecond)
	exit, ok := errors.AsType[*exec.ExitError](p.Err())
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("ended with %v instead of SIGKILL", p.Err())
	}
}

func TestTheErrorOfAProgramHasItsStatus(t *testing.T) {
	t.Parallel()
	s, _ := spec(t, "fails")
	exit, ok := errors.AsType[*exec.ExitError](start(t, s).Err())
	if !ok || exit.ExitCode() != 3 {
		t.Errorf("%v instead of status 3", exit)
	}
}

func TestAProgramThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	_, err := Start(Spec{Args: []string{"no-such-program", "argument"}})
	if !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), "no-such-program argument") {
		t.Errorf("%v", err)
	}
}
