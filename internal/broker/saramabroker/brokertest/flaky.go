package brokertest

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// Flaky opens connections that break in the middle of requests: before they are sent, or when they have been carried
// out and the response is lost.
type Flaky struct {
	PerMille atomic.Int64 // how many of a thousand reads and writes break
	Broken   atomic.Int64 // how many broke

	mu     sync.Mutex
	random *rand.Rand
}

// NewFlaky returns a Flaky that breaks nothing until PerMille is set.
func NewFlaky(t testing.TB) *Flaky {
	seed := rand.Uint64()
	t.Logf("seed of Broken connections: %d", seed)
	return &Flaky{random: rand.New(rand.NewPCG(seed, 0))}
}

// Dial implements the dialer of the client.
func (f *Flaky) Dial(network, addr string) (net.Conn, error) {
	conn, err := net.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	return &flakyConn{Conn: conn, flaky: f}, nil
}

func (f *Flaky) breaks() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.random.Int64N(1000) >= f.PerMille.Load() {
		return false
	}
	f.Broken.Add(1)
	return true
}

// Open connects to the broker of a test through f, until the test ends.
func (f *Flaky) Open(t testing.TB, k *kafkatest.Kafka) broker.Cluster {
	t.Helper()
	c, err := saramabroker.Open(t.Context(), saramabroker.Config{
		Brokers: k.Brokers, Logger: Logger(t),
		Tune: func(conf *sarama.Config) { conf.Net.Proxy.Enable, conf.Net.Proxy.Dialer = true, f },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

type flakyConn struct {
	net.Conn
	flaky *Flaky
}

func (c *flakyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil && c.flaky.breaks() {
		c.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func (c *flakyConn) Write(p []byte) (int, error) {
	if c.flaky.breaks() {
		c.Conn.Close()
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(p)
}
