//go:build unix

package server

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// ports gives out ports of the loopback interface, each once.
type ports struct {
	mu    sync.Mutex // guards given
	given map[int]bool
}

// The range is below the one from which systems take the ports of outgoing connections. The port plus 10,000 is a valid
// port too: some servers take it for a second protocol.
const (
	firstPort = 20000
	lastPort  = 31999
)

// free returns a port that nobody listens on. Another process may take it before the server does.
func (p *ports) free(ctx context.Context) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.given == nil {
		p.given = map[int]bool{}
	}
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if p.given[port] {
			continue
		}
		var listen net.ListenConfig
		l, err := listen.Listen(ctx, "tcp", Address(port))
		if err != nil {
			continue // in use
		}
		if err := l.Close(); err != nil {
			return 0, err
		}
		p.given[port] = true
		return port, nil
	}
	return 0, errors.New("find a free port of 127.0.0.1: 1000 of them are in use")
}

// Address returns the address of a port of the loopback interface.
func Address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
