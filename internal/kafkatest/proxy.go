package kafkatest

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/IBM/sarama"
)

// Proxy stands between clients and a cluster of one broker, and cuts connections. A client has to take a [Detour].
type Proxy struct {
	listener net.Listener
	broker   string
	wg       sync.WaitGroup

	mu      sync.Mutex // guards what follows
	links   map[*link]bool
	cuts    int
	blocked bool
}

// Detour makes a client dial one address, that of a Proxy, whatever address it is told.
type Detour string

// Dial implements the dialer of the client's proxy.
func (d Detour) Dial(network, _ string) (net.Conn, error) { return net.Dial(network, string(d)) }

// Take makes a configuration take the detour.
func (d Detour) Take(c *sarama.Config) { c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, d }

// link is a connection through the proxy.
type link struct{ near, far net.Conn }

// cut resets both ends. What was on its way is lost, perhaps in the middle of a response.
func (l *link) cut() {
	for _, c := range []net.Conn{l.near, l.far} {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// StartProxy starts a proxy for the time of a test.
func (k *Kafka) StartProxy(t testing.TB) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, broker: k.Brokers[0], links: map[*link]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.Block(true)
		p.wg.Wait()
	})
	return p
}

// Detour returns the way through the proxy.
func (p *Proxy) Detour() Detour { return Detour(p.listener.Addr().String()) }

func (p *Proxy) accept() {
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
		p.forward(&link{near, far})
	}
}

func (p *Proxy) forward(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.blocked {
		l.cut()
		return
	}
	p.links[l] = true
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{l.near, l.far}, {l.far, l.near}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // the other end sees how it went
			l.cut()
		})
	}
	p.wg.Go(func() {
		both.Wait()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	})
}

// Cut cuts each connection with a probability.
func (p *Proxy) Cut(probability float64, random *rand.Rand) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if random.Float64() < probability {
			l.cut()
			p.cuts++
		}
	}
}

// Cuts returns how many connections were cut.
func (p *Proxy) Cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// Block cuts all connections and every new one, as if the cluster were away, until it is called with false.
func (p *Proxy) Block(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocked = on
	for l := range p.links {
		if on {
			l.cut()
			p.cuts++
		}
	}
}
