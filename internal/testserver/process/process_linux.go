package process

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func attributes(death syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: death}
}

// wait collects the exit status of the leader after its group was killed: until then the leader's number names this
// group and no other.
func (p *Process) wait(cmd *exec.Cmd) {
	awaitExit(p.group)
	p.mu.Lock()
	_ = syscall.Kill(-p.group, syscall.SIGKILL) // most groups are empty by now
	p.err = cmd.Wait()
	p.reaped = true
	tell("-group", strconv.Itoa(p.group))
	p.mu.Unlock()
	close(p.done)
}

// awaitExit returns when a child has ended, and leaves its exit status to be collected.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// EndWithGoRun asks the system to interrupt this process if it is a child of `go run` and that ends: the go command does
// not pass SIGTERM on.
func EndWithGoRun() error {
	parent := os.Getppid()
	name, err := os.ReadFile("/proc/" + strconv.Itoa(parent) + "/comm")
	if err != nil || strings.TrimSpace(string(name)) != "go" {
		return nil // started by a shell
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0); err != nil {
		return err
	}
	if os.Getppid() != parent {
		return unix.Kill(os.Getpid(), unix.SIGTERM) // it ended in between
	}
	return nil
}
