// Package nettest breaks connections between clients and servers of tests, as networks do.
package nettest

import (
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Relay is an address in front of a server. It passes the bytes of both on, until a test breaks that. Its methods may be called from any
// goroutine.
type Relay struct {
	listener net.Listener
	target   string
	// requests copies from a client to the server, until its error, which is nil at the end of the client's bytes.
	requests func(to io.Writer, from io.Reader) error
	running  sync.WaitGroup

	mu      sync.Mutex // guards the rest
	changed *sync.Cond // of silent
	links   map[*link]bool
	refused bool
	silent  bool
	left    int // bytes of answers until all connections are cut; negative for no such bound
}

// link is a connection through the relay.
type link struct{ near, far net.Conn }

// reset ends both sides at once. Bytes on their way are lost, perhaps in the middle of a message.
func (l *link) reset() {
	for _, c := range []net.Conn{l.near, l.far} {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// close ends both sides in order.
func (l *link) close() {
	l.near.Close()
	l.far.Close()
}

// NewRelay starts a relay for the time of a test. server is a URL, or an address with host and port.
func NewRelay(tb testing.TB, server string) *Relay {
	tb.Helper()
	return NewParsingRelay(tb, server, nil)
}

// NewParsingRelay starts a relay with a function that copies the bytes of a client to the server, as it is called for each connection. The connection
// ends in order when the function returns nil, and is reset when it returns an error. By default bytes are copied as they are.
func NewParsingRelay(tb testing.TB, server string, requests func(to io.Writer, from io.Reader) error) *Relay {
	tb.Helper()
	target := server
	if strings.Contains(server, "://") {
		u, err := url.Parse(server)
		if err != nil {
			tb.Fatal(err)
		}
		target = u.Host
	}
	r := &Relay{target: target, requests: requests, links: map[*link]bool{}, left: -1}
	r.changed = sync.NewCond(&r.mu)
	r.listener = listen(tb)
	r.running.Go(r.accept)
	tb.Cleanup(func() {
		r.listener.Close()
		r.Silence(false)
		r.Refuse(true)
		r.running.Wait()
	})
	return r
}

func listen(tb testing.TB) net.Listener {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// Address returns host and port of the relay.
func (r *Relay) Address() string { return r.listener.Addr().String() }

// Through returns a URL of the server with the relay as its host.
func (r *Relay) Through(tb testing.TB, address string) string {
	tb.Helper()
	u, err := url.Parse(address)
	if err != nil {
		tb.Fatal(err)
	}
	u.Host = r.Address()
	return u.String()
}

func (r *Relay) accept() {
	for {
		near, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		far, err := net.Dial("tcp", r.target)
		if err != nil { // the server is away
			near.Close()
			continue
		}
		r.forward(&link{near, far})
	}
}

func (r *Relay) forward(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused {
		l.close()
		return
	}
	r.links[l] = true
	requests := func() error { return r.pass(l.far, l.near, false) }
	if r.requests != nil {
		requests = func() error { return r.requests(l.far, l.near) }
	}
	r.running.Go(func() { r.end(l, requests()) })
	r.running.Go(func() { r.end(l, r.pass(l.near, l.far, true)) })
}

// end ends a link as one of its sides has ended: in order or by a reset.
func (r *Relay) end(l *link, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.links[l] {
		return
	}
	delete(r.links, l)
	if err != nil {
		l.reset()
		return
	}
	l.close()
}

// pass copies bytes until one side ends.
func (r *Relay) pass(to io.Writer, from io.Reader, answer bool) error {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		n, last := r.allow(n, answer)
		if _, err := to.Write(buffer[:n]); err != nil {
			return err
		}
		if last {
			r.Cut()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// allow waits while there is silence. It returns how many of n bytes may be passed on, and whether all connections are cut then.
func (r *Relay) allow(n int, answer bool) (allowed int, last bool) {
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

// Cut cuts all connections, and returns their number.
func (r *Relay) Cut() int { return r.CutSome(func() bool { return true }) }

// CutSome cuts the connections that a function chooses, and returns their number.
func (r *Relay) CutSome(chosen func() bool) (cut int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cutSome(chosen)
}

func (r *Relay) cutSome(chosen func() bool) (cut int) {
	for l := range r.links {
		if chosen() {
			delete(r.links, l)
			l.reset()
			cut++
		}
	}
	return cut
}

// Refuse with true cuts all connections, returns their number, and refuses all that come. With false the relay takes connections again.
func (r *Relay) Refuse(refused bool) (cut int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = refused
	if !refused {
		return 0
	}
	return r.cutSome(func() bool { return true })
}

// Silence with true holds all bytes back, and with false passes them on again.
func (r *Relay) Silence(silent bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = silent
	r.changed.Broadcast()
}

// CutAfter cuts all connections once, after that many bytes of answers of all connections together.
func (r *Relay) CutAfter(bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = bytes
}
