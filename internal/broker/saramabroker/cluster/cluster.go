// Package cluster asks the brokers of a cluster: about topics and leaders, offsets and coordinators, and it creates and configures
// topics. It has one connection to each broker for that, and repeats requests after errors that may pass.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// openTimeout is how long Open tries to reach a broker by default, and how long a request about topics, offsets or groups goes on
// trying when no broker answers. A context may end it earlier.
const openTimeout = 10 * time.Second

// Config says how to reach a cluster.
type Config struct {
	// Brokers are the addresses to begin with, as host:port.
	Brokers []string
	// OpenTimeout is how long Open tries to reach a broker: 10 s if it is 0, until the context ends if it is negative.
	OpenTimeout time.Duration
	// Logger is required.
	Logger *slog.Logger
	// Settings are those of all clients.
	Settings *conn.Settings
}

// Cluster is a connection to a cluster. Its methods may be called by several goroutines at once.
type Cluster struct {
	cfg   Config
	log   *slog.Logger
	conns *conn.Set
	conf  *sarama.Config

	// requests are calls that their callers left after the end of their contexts.
	requests sync.WaitGroup

	mu    sync.Mutex
	links map[string]*sarama.Broker // by address
	known []string                  // addresses of the cluster's brokers, as last heard
}

// Open connects to a cluster. It tries for Config.OpenTimeout, or until ctx ends, and then returns an error that wraps
// [weir.ErrUnavailable] and names the addresses.
func Open(ctx context.Context, cfg Config) (*Cluster, error) {
	c := &Cluster{cfg: cfg, log: cfg.Logger, conns: conn.NewSet(), links: make(map[string]*sarama.Broker)}
	c.conf = c.ClientConfig(c.conns)
	if err := c.conf.Validate(); err != nil {
		return nil, fmt.Errorf("open cluster: %w", err)
	}
	if timeout := cmp.Or(cfg.OpenTimeout, openTimeout); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	if err := c.greet(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("open cluster %s: %w", strings.Join(cfg.Brokers, ","), err)
	}
	return c, nil
}

// greet waits until a broker accepts a connection. If the context ends while a broker is silent, the error has the one that
// a broker gave before.
func (c *Cluster) greet(ctx context.Context) error {
	var before error
	for failures := 1; ; failures++ {
		err := c.Await(ctx, func() error { return c.anyBroker(func(*sarama.Broker) error { return nil }) })
		if err == nil || errors.Is(err, weir.ErrUnauthorized) || fault.IsUntrusted(err) {
			return fault.Translate(err)
		}
		silent := ctx.Err() != nil
		if silent || fault.Backoff.Sleep(ctx, failures) != nil {
			if silent && before != nil {
				err = fmt.Errorf("%w, and before that: %w", err, before)
			}
			if fault.IsBoundary(err) {
				return err
			}
			return fmt.Errorf("%w: %w", weir.ErrUnavailable, err)
		}
		before = err
	}
}

// ClientConfig returns a configuration of the client that dials by conns.
func (c *Cluster) ClientConfig(conns *conn.Set) *sarama.Config { return c.cfg.Settings.Config(conns) }

// Logger returns the log of the cluster's clients.
func (c *Cluster) Logger() *slog.Logger { return c.log }

// Brokers returns the addresses to begin with.
func (c *Cluster) Brokers() []string { return c.cfg.Brokers }

// Unreachable implements broker.Cluster.
func (c *Cluster) Unreachable() (since time.Time, ok bool) { return c.cfg.Settings.Reach.Unreachable() }

// Close implements broker.Cluster.
func (c *Cluster) Close() error {
	c.conns.Close()
	c.requests.Wait()
	c.mu.Lock()
	links := c.links
	c.links = nil
	c.mu.Unlock()
	for _, link := range links {
		link.Close()
	}
	return nil
}
