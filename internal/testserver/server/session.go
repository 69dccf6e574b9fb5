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

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/process"
)

// session is one call of Run.
type session struct {
	dir    string
	unlock func()
	cache  *fetch.Cache
	say    func(format string, args ...any)
	ports  ports
	socket string // of package control
	hangUp func() // ends the service of the socket; nil before it began

	instances []*Instance // that run, in the order of the servers; also those that failed to start

	mu       sync.Mutex // guards deadWith
	deadWith error      // of the programs that ended by themselves
	dead     chan struct{}
}

// attempts is the number of times that a server is started, each time with other ports, while another process takes its ports.
const attempts = 3

func newSession(o Options) (*session, error) {
	parent := o.Temporary
	if parent == "" {
		parent = os.TempDir()
	}
	removeForgotten(parent)
	dir, unlock, err := newDirectory(parent)
	if err != nil {
		return nil, err
	}
	release := process.GuardDirectory(dir)
	return &session{dir: dir, unlock: func() { unlock(); release() }, cache: o.Cache, say: o.Say, dead: make(chan struct{})}, nil
}

// startServers starts all servers side by side. The first failure ends the start of the others.
func (s *session) startServers(ctx context.Context, servers []Server) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.instances = make([]*Instance, len(servers))
	var starts sync.WaitGroup
	for n, server := range servers {
		starts.Go(func() {
			if err := s.startServer(ctx, n, server); err != nil {
				cancel(err) // the first one wins
			}
		})
	}
	starts.Wait()
	s.instances = slices.DeleteFunc(s.instances, func(i *Instance) bool { return i == nil })
	return context.Cause(ctx)
}

func (s *session) startServer(ctx context.Context, n int, server Server) error {
	var failed error
	for attempt := range attempts {
		dir := filepath.Join(s.dir, fmt.Sprintf("%s-%d", server.Name, attempt+1))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		i := &Instance{Dir: dir, name: server.Name, session: s}
		s.instances[n] = i
		if failed = server.Start(ctx, i); failed == nil {
			return nil
		}
		i.stop()
		if ctx.Err() != nil || !i.portTaken() {
			break
		}
		s.say("%s: a port was taken, trying others", server.Name)
	}
	return fmt.Errorf("start %s: %w", server.Name, failed)
}

// portTaken looks for the words of systems and servers about ports in use.
func (i *Instance) portTaken() bool {
	for _, file := range i.logs() {
		output, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		output = bytes.ToLower(output)
		for _, words := range []string{"address already in use", "bindexception", "eaddrinuse", "already bound"} {
			if bytes.Contains(output, []byte(words)) {
				return true
			}
		}
	}
	return false
}

// died notes that a program has ended by itself.
func (s *session) died(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deadWith == nil {
		close(s.dead)
	}
	s.deadWith = errors.Join(s.deadWith, err)
	s.say("%v", err)
}

// death returns the error of programs that have ended by themselves.
func (s *session) death() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deadWith
}

// close stops all servers, side by side, and removes the directory.
func (s *session) close() error {
	if s.hangUp != nil {
		s.hangUp()
	}
	var stops sync.WaitGroup
	for _, i := range s.instances {
		stops.Go(i.stop)
	}
	stops.Wait()
	err := os.RemoveAll(s.dir)
	s.unlock()
	return err
}

// logs lists the logs of the instance.
func (i *Instance) logs() []string {
	files, _ := filepath.Glob(filepath.Join(i.Dir, "*.log")) // the only error is one of the pattern
	return files
}

func logName(file string) string { return strings.TrimSuffix(filepath.Base(file), ".log") }

func (i *Instance) copyLogs(dir string) error {
	for _, file := range i.logs() {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, i.name+"-"+filepath.Base(file)), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
