//go:build unix

package process

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// guardVariable makes a program that calls [Guard] the guard of another one.
const guardVariable = "WEIR_TESTSERVER_GUARD"

// guard is the pipe to the process that survives this one.
var guard struct {
	mu   sync.Mutex     // guards pipe
	pipe io.WriteCloser // nil without a guard
}

// Guard starts a second process of this program that kills the groups of all programs, with the children that their leaders
// leave behind, and removes directories, when this process is killed. Call it first in main: in the second process it does
// not return.
func Guard() error {
	if os.Getenv(guardVariable) != "" {
		stand(os.Stdin)
		os.Exit(0)
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start a guard: %w", err)
	}
	//nolint:noctx // it ends with the pipe
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), guardVariable+"=yes")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not for it
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start a guard: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a guard: %w", err)
	}
	go func() { _ = cmd.Wait() }()
	guard.mu.Lock()
	defer guard.mu.Unlock()
	guard.pipe = pipe
	return nil
}

// GuardDirectory has the guard remove a directory when this process is killed. The function that it returns ends that.
func GuardDirectory(dir string) (release func()) {
	tell("+dir", dir)
	return func() { tell("-dir", dir) }
}

// tell writes a line to the guard, if there is one.
func tell(word, what string) {
	guard.mu.Lock()
	defer guard.mu.Unlock()
	if guard.pipe != nil {
		_, _ = fmt.Fprintf(guard.pipe, "%s %s\n", word, what) // without its guard a program still has the parent-death signal
	}
}

// stand reads the lines of the guarded process until that ends, and then ends everything that it has left.
func stand(lines io.Reader) {
	groups, dirs := map[int]bool{}, map[string]bool{}
	for scanner := bufio.NewScanner(lines); scanner.Scan(); {
		word, what, _ := strings.Cut(scanner.Text(), " ")
		group, _ := strconv.Atoi(what)
		switch word {
		case "+group":
			groups[group] = true
		case "-group":
			delete(groups, group)
		case "+dir":
			dirs[what] = true
		case "-dir":
			delete(dirs, what)
		}
	}
	for group := range groups {
		_ = syscall.Kill(-group, syscall.SIGKILL) // most have died already
	}
	for dir := range dirs {
		_ = os.RemoveAll(dir) // the next run tries again
	}
}
