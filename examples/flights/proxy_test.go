package main

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// detour dials one address whatever address is asked for.
type detour string

func (d detour) Dial(network, _ string) (net.Conn, error) { return net.Dial(network, string(d)) }

// proxy stands between members and a broker, and cuts connections.
type proxy struct {
	listener net.Listener
	broker   string
	wg       sync.WaitGroup

	mu    sync.Mutex // guards what follows
	links map[*link]bool
	cuts  int
}

// link is a connection through the proxy.
type link struct{ near, far net.Conn }

// cut resets both ends. What was on its way is lost, perhaps in the middle of a response.
func (l *link) cut() {
	for _, c := range []net.Conn{l.near, l.far} {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

func startProxy(t testing.TB, broker string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, broker: broker, links: map[*link]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.cut(1, rand.New(rand.NewPCG(0, 0)))
		p.wg.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		far, err := net.Dial("tcp", p.broker)
		if err != nil { // the broker is away
			near.Close()
			continue
		}
		l := &link{near, far}
		p.mu.Lock()
		p.links[l] = true
		p.mu.Unlock()
		var both sync.WaitGroup
		both.Go(func() { io.Copy(far, near); l.cut() })
		both.Go(func() { io.Copy(near, far); l.cut() })
		p.wg.Go(func() {
			both.Wait()
			p.mu.Lock()
			delete(p.links, l)
			p.mu.Unlock()
		})
	}
}

// cut cuts each connection with a probability.
func (p *proxy) cut(probability float64, random *rand.Rand) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if random.Float64() < probability {
			l.cut()
			p.cuts++
		}
	}
}
