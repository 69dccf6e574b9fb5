//go:build unix

package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/process"
)

// Instance is one server of a session: its directory, its programs, and the variables and verbs that it gives the command.
type Instance struct {
	// Dir is an empty directory for data and configuration. It is removed with the session.
	Dir string

	name    string
	session *session

	mu       sync.Mutex // guards the rest
	programs []*Program
	exports  []string // NAME=value
	verbs    map[string]func(context.Context) error
}

// Command describes a program of a server.
type Command struct {
	Name string   // of its log, Dir/NAME.log
	Args []string // the program and its arguments
	Env  []string // added to the environment
	User *process.User
	// Stop is the signal that ends the program with the session; SIGKILL by default, because the data go away anyway.
	Stop syscall.Signal
	// Within is how long the program may take until it is ready, or until its end in [Instance.Run]; 2.5 minutes by default.
	Within time.Duration
}

const (
	defaultWithin = 150 * time.Second
	stopGrace     = 20 * time.Second
	pollInterval  = 50 * time.Millisecond
	tailLines     = 20 // of a log, in errors
)

// Program is a running program of a server.
type Program struct {
	process *process.Process
	name    string
	stop    syscall.Signal

	mu       sync.Mutex // guards expected
	expected bool       // its end is no news
}

// Fetch returns the directory of a source, from the cache or from the network.
func (i *Instance) Fetch(ctx context.Context, source fetch.Source) (string, error) {
	return i.session.cache.Get(ctx, source)
}

// File returns the path of a file of the repository.
func (i *Instance) File(path string) string { return filepath.Join(i.session.cache.Root, path) }

// Port returns a free port of 127.0.0.1 that no other server of the session was given.
func (i *Instance) Port(ctx context.Context) (int, error) { return i.session.ports.free(ctx) }

// Export sets an environment variable of the command.
func (i *Instance) Export(name, value string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.exports = append(i.exports, name+"="+value)
}

// On lets the command ask for something by package control, such as a crash. Calls of one instance come one at a time.
func (i *Instance) On(verb string, do func(context.Context) error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.verbs == nil {
		i.verbs = map[string]func(context.Context) error{}
	}
	i.verbs[verb] = do
}

// Say tells the user something.
func (i *Instance) Say(format string, args ...any) {
	i.session.say("%s: %s", i.name, fmt.Sprintf(format, args...))
}

// Write writes a file into the directory of the instance, and returns its path.
func (i *Instance) Write(name, content string) (string, error) {
	file := filepath.Join(i.Dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, []byte(content), 0o644)
}

// Output returns everything that programs have printed under the name.
func (i *Instance) Output(name string) ([]byte, error) { return os.ReadFile(i.log(name)) }

func (i *Instance) log(name string) string { return filepath.Join(i.Dir, name+".log") }

// Start starts a program and waits until it is ready. Its output goes to the end of its log. The errors of a program that
// ended early or was not ready in time have the end of its log.
func (i *Instance) Start(ctx context.Context, c Command, ready Ready) (*Program, error) {
	p, begin, err := i.launch(c)
	if err != nil {
		return nil, err
	}
	deadline := time.NewTimer(within(c))
	defer deadline.Stop()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		output, err := i.Output(c.Name)
		if err != nil {
			return nil, err
		}
		if ready(ctx, output[begin:]) {
			go i.watch(p)
			return p, nil
		}
		select {
		case <-p.process.Done():
			return nil, i.failure(c, begin, fmt.Errorf("ended before it was ready: %w", ending(p.process.Err())))
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-deadline.C:
			p.End(syscall.SIGKILL)
			return nil, i.failure(c, begin, fmt.Errorf("was not ready within %v", within(c)))
		case <-poll.C:
		}
	}
}

// Run runs a program to its end. Its error has the end of the program's log.
func (i *Instance) Run(ctx context.Context, c Command) error {
	p, begin, err := i.launch(c)
	if err != nil {
		return err
	}
	deadline := time.NewTimer(within(c))
	defer deadline.Stop()
	select {
	case <-p.process.Done():
	case <-ctx.Done():
		p.End(syscall.SIGKILL)
		return context.Cause(ctx)
	case <-deadline.C:
		p.End(syscall.SIGKILL)
		return i.failure(c, begin, fmt.Errorf("did not end within %v", within(c)))
	}
	if err := p.process.Err(); err != nil {
		return i.failure(c, begin, err)
	}
	return nil
}

// launch starts a program. begin is the size of its log before.
func (i *Instance) launch(c Command) (p *Program, begin int64, err error) {
	log, err := os.OpenFile(i.log(c.Name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, 0, err
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return nil, 0, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	started, err := process.Start(process.Spec{Args: c.Args, Dir: i.Dir, Env: c.Env, Stdout: log, Stderr: log, User: c.User, Death: c.Stop})
	if err != nil {
		return nil, 0, err
	}
	p = &Program{process: started, name: c.Name, stop: c.Stop}
	if p.stop == 0 {
		p.stop = syscall.SIGKILL
	}
	i.programs = append(i.programs, p)
	return p, info.Size(), nil
}

// watch reports a program that ends by itself.
func (i *Instance) watch(p *Program) {
	<-p.process.Done()
	p.mu.Lock()
	expected := p.expected
	p.mu.Unlock()
	if !expected {
		i.session.died(fmt.Errorf("%s: %s ended while the command ran: %w", i.name, p.name, ending(p.process.Err())))
	}
}

func (i *Instance) failure(c Command, begin int64, err error) error {
	output, readErr := i.Output(c.Name)
	if readErr == nil {
		output = output[min(begin, int64(len(output))):]
	}
	return errors.Join(fmt.Errorf("%s: %w; the end of its log:\n%s", c.Name, err, tail(output)), readErr)
}

// stop ends the programs, the last one first.
func (i *Instance) stop() {
	i.mu.Lock()
	programs := slices.Clone(i.programs)
	i.mu.Unlock()
	for _, p := range slices.Backward(programs) {
		p.End(p.stop)
	}
}

// End ends the program with a signal and returns when it has ended; one that ignores the signal for 20 s is killed.
func (p *Program) End(signal syscall.Signal) {
	p.mu.Lock()
	p.expected = true
	p.mu.Unlock()
	p.process.Stop(signal, stopGrace)
}

// Running tells whether the program has not ended.
func (p *Program) Running() bool {
	select {
	case <-p.process.Done():
		return false
	default:
		return true
	}
}

func within(c Command) time.Duration {
	if c.Within != 0 {
		return c.Within
	}
	return defaultWithin
}

// ending names the end of a program without an error.
func ending(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

func tail(output []byte) string {
	lines := bytes.Split(bytes.TrimRight(output, "\n"), []byte("\n"))
	lines = lines[max(0, len(lines)-tailLines):]
	return strings.ReplaceAll("\t"+string(bytes.Join(lines, []byte("\n\t"))), "\t\n", "\n")
}
