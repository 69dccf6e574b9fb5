//go:build unix

// Package process starts programs that end with this process.
//
// Each program leads a process group of its own. A signal goes to the whole group, and the rest of the group is killed
// when its leader ends, so that no grandchild is left over. The system kills the leader if this process dies without
// stopping it (on Linux only). A program that calls [Guard] leaves no grandchildren then either.
package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Spec describes a program.
type Spec struct {
	Args   []string // the program and its arguments
	Dir    string   // its working directory; that of this process by default
	Env    []string // added to the environment of this process
	Stdin  *os.File // empty by default
	Stdout *os.File // discarded by default
	Stderr *os.File // discarded by default
	User   *User    // the user that the program runs as; that of this process by default

	// Death is the signal that the leader gets when this process dies; SIGKILL by default.
	Death syscall.Signal
}

// User is a user by number.
type User struct{ UID, GID uint32 }

// Process is a started program.
type Process struct {
	name  string
	group int
	done  chan struct{}
	err   error // of Wait; set before done is closed

	mu     sync.Mutex // guards reaped
	reaped bool       // the group's number may be given to another process from now on
}

// Start starts a program. It returns when the program was found and begins to run.
func Start(spec Spec) (*Process, error) {
	if len(spec.Args) == 0 {
		return nil, errors.New("start a program: no name given")
	}
	//nolint:noctx // Stop ends the program, with its group
	cmd := exec.Command(spec.Args[0], spec.Args[1:]...)
	cmd.Dir = spec.Dir
	cmd.Env = append(os.Environ(), spec.Env...)
	// Assigned only if set: an interface with a nil *os.File is not nil.
	if spec.Stdin != nil {
		cmd.Stdin = spec.Stdin
	}
	if spec.Stdout != nil {
		cmd.Stdout = spec.Stdout
	}
	if spec.Stderr != nil {
		cmd.Stderr = spec.Stderr
	}
	death := spec.Death
	if death == 0 {
		death = syscall.SIGKILL
	}
	cmd.SysProcAttr = attributes(death)
	cmd.SysProcAttr.Setpgid = true
	if spec.User != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: spec.User.UID, Gid: spec.User.GID}
	}
	started := make(chan error)
	launcher() <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", strings.Join(spec.Args, " "), err)
	}
	tell("+group", strconv.Itoa(cmd.Process.Pid))
	p := &Process{name: spec.Args[0], group: cmd.Process.Pid, done: make(chan struct{})}
	go p.wait(cmd)
	return p, nil
}

// launcher returns the queue of a goroutine that keeps its thread for ever. Linux sends the parent-death signal when the
// thread that started the program ends, and the Go runtime may end other threads.
var launcher = sync.OnceValue(func() chan<- func() {
	queue := make(chan func())
	go launch(queue)
	return queue
})

func launch(queue <-chan func()) {
	runtime.LockOSThread()
	for start := range queue {
		start()
	}
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns nil if the program ended with status 0, and an [exec.ExitError] otherwise. It waits for the end.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Signal sends a signal to the program and everything in its process group. It does nothing once the program has ended.
func (p *Process) Signal(signal syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = syscall.Kill(-p.group, signal) // a group without a process that may be signalled has ended
	}
}

// Stop sends a signal and waits for the end. After the grace it kills the group.
func (p *Process) Stop(signal syscall.Signal, grace time.Duration) {
	p.Signal(signal)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return
	case <-timer.C:
	}
	p.Signal(syscall.SIGKILL)
	<-p.done
}
