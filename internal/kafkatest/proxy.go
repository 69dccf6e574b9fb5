package kafkatest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/nettest"
)

// Proxy stands between clients and a cluster of one broker, and cuts connections. A client has to take a [Detour].
type Proxy struct {
	relay  *nettest.Relay
	broker string

	mu       sync.Mutex // guards the rest
	changed  *sync.Cond // of late and requests
	cuts     int
	random   *rand.Rand
	doubts   map[int16]float64 // by API key
	late     int               // requests that Doubt delays
	requests map[int16]int     // that were passed on, by API key
}

// Detour makes a client dial one address, that of a Proxy, instead of every other address.
type Detour string

// Dial implements the dialer of the client's proxy.
func (d Detour) Dial(network, _ string) (net.Conn, error) { return net.Dial(network, string(d)) }

// Take makes a configuration take the detour.
func (d Detour) Take(c *sarama.Config) { c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, d }

// StartProxy starts a proxy for the time of a test.
func (k *Kafka) StartProxy(t testing.TB) *Proxy {
	t.Helper()
	p := &Proxy{broker: k.Brokers[0], requests: map[int16]int{}}
	p.changed = sync.NewCond(&p.mu)
	t.Cleanup(p.AwaitLate)
	p.relay = nettest.NewParsingRelay(t, p.broker, p.copyRequests)
	return p
}

// Detour returns the way through the proxy.
func (p *Proxy) Detour() Detour { return Detour(p.relay.Address()) }

// Doubt leaves clients in doubt about requests with an API key, each with a probability: it cuts the connection on which one
// comes, and the request gets to the broker before that, up to 300 ms later, or never.
func (p *Proxy) Doubt(key int16, probability float64, random *rand.Rand) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doubts == nil {
		p.doubts = map[int16]float64{}
	}
	p.doubts[key], p.random = probability, random
}

// errDoubt ends a connection with a request whose fate the client does not learn.
var errDoubt = errors.New("cut")

// copyRequests forwards requests until the client ends, or the connection has to be cut.
func (p *Proxy) copyRequests(to io.Writer, from io.Reader) error {
	var frame []byte
	for {
		frame = append(frame[:0], 0, 0, 0, 0)
		if _, err := io.ReadFull(from, frame); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		frame = append(frame, make([]byte, binary.BigEndian.Uint32(frame))...)
		if _, err := io.ReadFull(from, frame[4:]); err != nil {
			return err
		}
		if doubt, arrives, delay := p.doubt(frame); doubt {
			if arrives && delay == 0 {
				p.deliver(frame)
			} else if arrives {
				go func() { // AwaitLate waits for it
					<-time.After(delay)
					p.deliver(frame)
					p.change(func() { p.late-- })
				}()
			}
			return errDoubt
		}
		if _, err := to.Write(frame); err != nil {
			return err
		}
		p.change(func() { p.requests[int16(binary.BigEndian.Uint16(frame[4:]))]++ })
	}
}

func (p *Proxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.changed.Broadcast()
}

// Requests returns the number of requests with an API key that the proxy has passed on.
func (p *Proxy) Requests(key int16) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[key]
}

// AwaitRequests waits until the proxy has passed on n requests with an API key since it was started.
func (p *Proxy) AwaitRequests(t testing.TB, key int16, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	defer context.AfterFunc(ctx, func() { p.change(func() {}) })()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.requests[key] < n {
		if ctx.Err() != nil {
			t.Fatalf("%d instead of %d requests with API key %d were passed on", p.requests[key], n, key)
		}
		p.changed.Wait()
	}
}

// AwaitLate waits until the broker has got all requests that Doubt delays.
func (p *Proxy) AwaitLate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.late > 0 {
		p.changed.Wait()
	}
}

// doubt decides about the fate of a request.
func (p *Proxy) doubt(frame []byte) (doubt, arrives bool, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	probability := p.doubts[int16(binary.BigEndian.Uint16(frame[4:]))]
	if probability == 0 || p.random.Float64() >= probability {
		return false, false, 0
	}
	p.cuts++
	switch p.random.IntN(3) {
	case 0:
		return true, false, 0
	case 1:
		return true, true, 0
	default:
		p.late++
		return true, true, time.Duration(1+p.random.IntN(300)) * time.Millisecond
	}
}

// deliver sends a request on a connection of its own, and waits until it is answered.
func (p *Proxy) deliver(frame []byte) {
	far, err := net.Dial("tcp", p.broker)
	if err != nil {
		return
	}
	defer far.Close()
	_ = far.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := far.Write(frame); err == nil {
		_, _ = io.ReadFull(far, make([]byte, 8))
	}
}

// Cut cuts each connection with a probability.
func (p *Proxy) Cut(probability float64, random *rand.Rand) {
	n := p.relay.CutSome(func() bool { return random.Float64() < probability })
	p.change(func() { p.cuts += n })
}

// Cuts returns how many connections were cut.
func (p *Proxy) Cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// Block cuts all connections and every new one, as if the cluster were away, until it is called with false.
func (p *Proxy) Block(on bool) {
	n := p.relay.Refuse(on)
	p.change(func() { p.cuts += n })
}
