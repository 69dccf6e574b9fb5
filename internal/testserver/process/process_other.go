//go:build unix && !linux

package process

import (
	"os/exec"
	"strconv"
	"syscall"
)

func attributes(syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

// wait kills the rest of the group when the leader has ended. If the group is empty then, its number may already be
// that of another process, after a full turn of all numbers.
func (p *Process) wait(cmd *exec.Cmd) {
	p.err = cmd.Wait()
	p.mu.Lock()
	_ = syscall.Kill(-p.group, syscall.SIGKILL)
	p.reaped = true
	tell("-group", strconv.Itoa(p.group))
	p.mu.Unlock()
	close(p.done)
}

// EndWithGoRun does nothing.
func EndWithGoRun() error { return nil }
