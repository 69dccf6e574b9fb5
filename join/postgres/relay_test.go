package postgres_test

import (
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/weirstreams/weir/join/internal/lookuptest"
)

// relay stands between a database and its server, and does what networks do.
type relay struct {
	listener net.Listener

	mu      sync.Mutex // guards what follows
	changed *sync.Cond
	conns   []net.Conn
	refused bool
	silent  bool
	// left is how many bytes of the server are passed on before all connections are cut. Negative means any number.
	left int
}

func newRelay(t *testing.T) *relay {
	t.Helper()
	r := &relay{left: -1}
	r.changed = sync.NewCond(&r.mu)
	if server == "" {
		t.Skip("needs a PostgreSQL: go run github.com/weirstreams/weir/internal/testserver postgres -- go test")
	}
	target := lookuptest.Must(url.Parse(server)).Host
	r.listener = lookuptest.Must((&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"))
	t.Cleanup(func() {
		r.listener.Close()
		r.silence(false)
		r.cut()
	})
	go func() {
		for {
			from, err := r.listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", target)
			r.mu.Lock()
			if err != nil || r.refused {
				from.Close()
				if err == nil {
					to.Close()
				}
				r.mu.Unlock()
				continue
			}
			r.conns = append(r.conns, from, to)
			r.mu.Unlock()
			go r.copy(to, from, false)
			go r.copy(from, to, true)
		}
	}()
	return r
}

// through returns the URL of the database behind the relay.
func (r *relay) through(address string) string {
	u := lookuptest.Must(url.Parse(address))
	u.Host = r.listener.Addr().String()
	return u.String()
}

// copy passes on what comes, until a connection ends; then both do.
func (r *relay) copy(to, from net.Conn, answer bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		n, last := r.allow(n, answer)
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
		if last {
			r.cut()
			return
		}
	}
}

// allow waits while there is silence, and says how many of n bytes may be passed on, and whether that is all.
func (r *relay) allow(n int, answer bool) (allowed int, last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.silent {
		r.changed.Wait()
	}
	if !answer || r.left < 0 {
		return n, false
	}
	if n < r.left {
		r.left -= n
		return n, false
	}
	n, r.left = r.left, -1
	return n, true
}

// cut cuts all connections.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

// refuse cuts all connections, and those to come, until it is called with false.
func (r *relay) refuse(refused bool) {
	r.mu.Lock()
	r.refused = refused
	r.mu.Unlock()
	r.cut()
}

// silence passes nothing on, until it is called with false.
func (r *relay) silence(silent bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = silent
	r.changed.Broadcast()
}

// cutAfter cuts all connections once, after that many bytes of answers.
func (r *relay) cutAfter(bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = bytes
}
