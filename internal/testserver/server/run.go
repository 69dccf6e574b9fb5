//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weirstreams/weir/internal/testserver/control"
	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/process"
)

// Options name the servers and the command.
type Options struct {
	Servers []Server
	Command []string // with its arguments; without one the servers run until the context ends
	Cache   *fetch.Cache
	// Temporary is the directory that gets the directory of the servers; that of the system by default. The name of a
	// socket in it has to fit in about 100 bytes.
	Temporary string
	Logs      string                           // a directory that gets the logs of the servers if the command fails; none by default
	Say       func(format string, args ...any) // tells the user about progress and failures
	Print     func(line string)                // gets a line of shell for each variable, if there is no command
	// Again is closed when a user does not want to wait for the command: a second Ctrl-C. It may be nil.
	Again <-chan struct{}
}

// Interrupted is the cause of a context that a signal has ended. The command gets that signal.
type Interrupted struct{ Signal syscall.Signal }

func (e Interrupted) Error() string { return e.Signal.String() }

// commandGrace is how long the command may take after a signal.
const commandGrace = 10 * time.Second

// Run starts the servers, runs the command, stops everything that it started, and returns the exit status of the command. Its
// errors are those of the servers. When the context ends, so does the command.
func Run(ctx context.Context, o Options) (status int, err error) {
	s, err := newSession(o)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	err = s.startServers(ctx, o.Servers)
	if err == nil {
		err = s.listen(ctx)
	}
	if err != nil {
		return 1, errors.Join(err, s.keepLogs(o.Logs))
	}
	variables := s.variables()
	if len(o.Command) == 0 {
		for _, v := range variables {
			o.Print("export " + quoted(v))
		}
		select {
		case <-ctx.Done():
			return 0, s.death()
		case <-s.dead:
			return 1, errors.Join(s.death(), s.keepLogs(o.Logs))
		}
	}
	status, err = s.command(ctx, o, variables)
	if err = errors.Join(err, s.death()); err != nil && status == 0 {
		status = 1
	}
	if status != 0 && ctx.Err() == nil {
		s.say("the command ended with status %d", status)
		s.tellLogs()
		err = errors.Join(err, s.keepLogs(o.Logs))
	}
	return status, err
}

// command runs the command in a process group of its own, so that its children end with it: go test leaves its test
// binaries behind.
func (s *session) command(ctx context.Context, o Options, variables []string) (status int, err error) {
	p, err := process.Start(process.Spec{Args: o.Command, Env: variables, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
	if err != nil {
		return 127, err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		signal := syscall.SIGTERM
		if cause, ok := errors.AsType[Interrupted](context.Cause(ctx)); ok {
			signal = cause.Signal
		}
		p.Signal(signal)
		timer := time.NewTimer(commandGrace)
		defer timer.Stop()
		select {
		case <-p.Done():
		case <-timer.C:
		case <-o.Again:
		}
		p.Stop(syscall.SIGKILL, time.Second)
		return 128 + int(signal), nil
	}
	exit, ok := errors.AsType[*exec.ExitError](p.Err())
	switch {
	case p.Err() == nil:
		return 0, nil
	case !ok:
		return 1, p.Err()
	}
	if wait, ok := exit.Sys().(syscall.WaitStatus); ok && wait.Signaled() {
		return 128 + int(wait.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// variables are the environment variables of the command, as NAME=value.
func (s *session) variables() []string {
	all := []string{control.Variable + "=" + s.socket}
	for _, i := range s.instances {
		i.mu.Lock()
		all = append(all, i.exports...)
		i.mu.Unlock()
	}
	slices.Sort(all)
	return all
}

// quoted returns NAME='value' for a shell.
func quoted(variable string) string {
	name, value, _ := strings.Cut(variable, "=")
	return name + "='" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// tellLogs shows the end of each log.
func (s *session) tellLogs() {
	for _, i := range s.instances {
		for _, file := range i.logs() {
			output, err := os.ReadFile(file)
			if err != nil {
				s.say("%v", err)
				continue
			}
			if len(output) > 0 {
				s.say("the end of %s of %s:\n%s", logName(file), i.name, tail(output))
			}
		}
	}
}

// keepLogs copies the logs of all servers.
func (s *session) keepLogs(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keep logs: %w", err)
	}
	for _, i := range s.instances {
		if err := i.copyLogs(dir); err != nil {
			return fmt.Errorf("keep logs of %s: %w", i.name, err)
		}
	}
	return nil
}
