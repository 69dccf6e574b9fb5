// Package conn has the connections to brokers: their settings, how they are opened and given up, and whether brokers answer.
package conn

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/backoff"
)

// Set has the network connections of one owner (the cluster, a fetcher, a producer, a group). The client
// offers no way to give up a request that waits for a broker; closing the connection under it is the way out, and
// this type knows which connections those are.
type Set struct {
	ctx    context.Context
	cancel context.CancelFunc
	// Pause is the least time between a failed dial of an address and the next. It paces loops in the
	// client that try again at once. It is set before the first dial. The default is none.
	Pause time.Duration

	base  func(ctx context.Context, network, addr string) (net.Conn, error)
	reach *Reach // learns what becomes of dials and requests

	mu     sync.Mutex
	open   map[*trackedConn]struct{}
	failed map[string]time.Time
}

// NewSet returns an empty set. Settings.Config says how its connections are opened.
func NewSet() *Set {
	ctx, cancel := context.WithCancel(context.Background())
	return &Set{
		ctx: ctx, cancel: cancel,
		open:   make(map[*trackedConn]struct{}),
		failed: make(map[string]time.Time),
	}
}

// adopt makes a configuration dial through c, and c through the former dialer of the configuration.
func (c *Set) adopt(conf *sarama.Config) {
	if proxy := conf.Net.Proxy; proxy.Enable && proxy.Dialer != nil {
		c.base = func(_ context.Context, network, addr string) (net.Conn, error) {
			return proxy.Dialer.Dial(network, addr)
		}
	} else {
		dialer := &net.Dialer{Timeout: conf.Net.DialTimeout, KeepAlive: conf.Net.KeepAlive, LocalAddr: conf.Net.LocalAddr}
		c.base = dialer.DialContext
	}
	conf.Net.Proxy.Enable = true
	conf.Net.Proxy.Dialer = c
}

// Dial opens a connection. It fails at once when c is closed.
func (c *Set) Dial(network, addr string) (net.Conn, error) {
	if err := c.pace(addr); err != nil {
		return nil, err
	}
	conn, err := c.base(c.ctx, network, addr)
	if err != nil && c.ctx.Err() == nil {
		c.reach.failed()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed[addr] = time.Now()
		return nil, err
	}
	delete(c.failed, addr)
	if c.ctx.Err() != nil {
		conn.Close()
		return nil, net.ErrClosed
	}
	tracked := &trackedConn{Conn: conn, owner: c}
	c.open[tracked] = struct{}{}
	return tracked, nil
}

func (c *Set) pace(addr string) error {
	c.mu.Lock()
	last, failed := c.failed[addr]
	c.mu.Unlock()
	if wait := c.Pause - time.Since(last); failed && wait > 0 {
		return backoff.Sleep(c.ctx, wait)
	}
	return c.ctx.Err()
}

// Context returns a context that ends with Close.
func (c *Set) Context() context.Context { return c.ctx }

// Interrupt closes open Set. New Set may follow.
func (c *Set) Interrupt() {
	c.mu.Lock()
	open := c.open
	c.open = make(map[*trackedConn]struct{})
	c.mu.Unlock()
	for conn := range open {
		conn.Conn.Close()
	}
}

// Close closes open Set and refuses new ones.
func (c *Set) Close() {
	c.cancel()
	c.Interrupt()
}

type trackedConn struct {
	net.Conn
	owner *Set
}

// Read notes whether the broker answers: the client reads only when a request waits for its response.
func (t *trackedConn) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if n > 0 {
		t.owner.reach.answered()
	} else if err != nil && !errors.Is(err, net.ErrClosed) {
		t.owner.reach.failed()
	}
	return n, err
}

// Write notes when a request cannot be sent.
func (t *trackedConn) Write(p []byte) (int, error) {
	n, err := t.Conn.Write(p)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		t.owner.reach.failed()
	}
	return n, err
}

func (t *trackedConn) Close() error {
	t.owner.mu.Lock()
	delete(t.owner.open, t)
	t.owner.mu.Unlock()
	return t.Conn.Close()
}
