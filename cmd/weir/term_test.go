package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/weirstreams/weir/internal/kafkatest"
)

// terminal runs the command weir in a pseudo terminal, and returns everything that it shows.
func terminal(t *testing.T, dir, answer string, environment []string, args ...string) (shown string, code int) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := "weir"
	if args[0] == "words" {
		program, args = "words", args[1:]
	}
	c := exec.CommandContext(t.Context(), binary, args...)
	c.Env = append(append(os.Environ(), command+"="+program, "TERM=xterm", "NO_COLOR="), environment...)
	c.Dir = dir
	tty, err := pty.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	if _, err := io.WriteString(tty, answer); err != nil {
		t.Fatal(err)
	}
	out, _ := io.ReadAll(tty) // Linux ends a terminal without processes by an error
	_ = c.Wait()
	return strings.ReplaceAll(string(out), "\r\n", "\n"), c.ProcessState.ExitCode()
}

func TestColoursAreForTerminalsAlone(t *testing.T) {
	t.Parallel()
	const heading, failure = "\x1b[31mweir:\x1b[0m", "weir:"
	shown, code := terminal(t, t.TempDir(), "", nil, "topic", "tail", "--value", "none", "lines")
	if !strings.HasPrefix(shown, heading) || code != 2 {
		t.Errorf("a terminal shows %q and gets code %d", shown, code)
	}
	shown, _ = terminal(t, t.TempDir(), "", []string{"NO_COLOR=1"}, "topic", "tail", "--value", "none", "lines")
	if !strings.HasPrefix(shown, failure) {
		t.Errorf("with NO_COLOR a terminal shows %q", shown)
	}
}

func TestAResetAsksOnATerminal(t *testing.T) {
	kafkatest.Parallel(t)
	cluster := kafkatest.Start(t)
	dir := t.TempDir()
	environment := []string{"BROKERS=" + strings.Join(cluster.Brokers, ","), "PREFIX=" + cluster.Name("cli") + "-"}
	if out := shell(t, dir, "words topic create lines", environment...); strings.Contains(out, "exit") {
		t.Fatal(out)
	}
	for answer, want := range map[string]int{"n\n": 4, "\n": 4, "maybe\n": 4} {
		shown, code := terminal(t, dir, answer, environment, "words", "group", "reset")
		if code != want || !strings.Contains(shown, "[y/N]") || !strings.Contains(shown, "nothing was changed") {
			t.Errorf("the answer %q shows %q and gets code %d", answer, shown, code)
		}
	}
	shown, code := terminal(t, dir, "y\n", environment, "words", "group", "reset")
	if code != 0 || !strings.Contains(shown, "begins again") {
		t.Errorf("the answer y shows %q and gets code %d", shown, code)
	}
}

func TestHeadingsOfTablesAreBoldOnATerminal(t *testing.T) {
	t.Parallel()
	shown, code := terminal(t, t.TempDir(), "", nil, "doctor", "--brokers", "localhost:1", "--timeout", "5s")
	if !strings.Contains(shown, "\x1b[1mRESULT   CHECK                DETAIL\x1b[0m\n") || code != 3 {
		t.Errorf("a terminal shows %q and gets code %d", shown, code)
	}
}
