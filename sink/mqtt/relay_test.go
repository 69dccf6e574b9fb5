package mqtt_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// relay stands between a sink and the server. It can refuse connections, and cut those that there are.
type relay struct {
	listener net.Listener
	copies   sync.WaitGroup

	mu      sync.Mutex // guards refused and conns
	refused bool
	conns   []net.Conn
}

func newRelay(tb testing.TB, server string) *relay {
	tb.Helper()
	u, err := url.Parse(server)
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	r := &relay{listener: listener}
	r.copies.Go(func() { r.accept(u.Host) })
	tb.Cleanup(func() {
		listener.Close()
		r.refuse(true)
		r.copies.Wait()
	})
	return r
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) accept(target string) {
	for {
		from, err := r.listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", target)
		if err != nil {
			from.Close()
			continue
		}
		r.mu.Lock()
		if r.refused {
			from.Close()
			to.Close()
		} else {
			r.conns = append(r.conns, from, to)
			r.copies.Go(func() { pass(to, from) })
			r.copies.Go(func() { pass(from, to) })
		}
		r.mu.Unlock()
	}
}

// pass copies until one side ends; then both do.
func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
	from.Close()
}

// refuse cuts all connections and refuses others, or takes them again.
func (r *relay) refuse(refused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = refused
	if refused {
		for _, c := range r.conns {
			c.Close()
		}
		r.conns = nil
	}
}
