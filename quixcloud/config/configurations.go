package config

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/operator"
)

// Configurations are the configurations of a topic. They may be used by several goroutines at once, and by several lookups.
type Configurations struct {
	config   Config
	contents *contents
	table    atomic.Pointer[table]
	follower *follower
	waits    waits

	stop    context.CancelFunc // of the goroutine that follows the topic
	stopped sync.WaitGroup
	closed  atomic.Bool
	ended   chan struct{} // closed by Close
	close   func() error
}

// Open reads the events of the topic up to where it ends now, and starts a goroutine that follows it until Close. Contents are
// not fetched yet.
//
// The error wraps weir.ErrConfiguration, weir.ErrUnknownTopic if the topic does not exist, weir.ErrUnauthorized, or weir.ErrUnavailable if no
// broker answers: within ten seconds at first, within Config.BrokerTimeout while records are read; or it is the cause of the end of ctx.
func Open(ctx context.Context, config Config) (*Configurations, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configurations: %w", err)
	}
	cluster, err := saramabroker.Open(ctx, saramabroker.Config{
		Brokers: config.Connection.Brokers, ClientID: config.Connection.ClientID, Logger: config.Logger, Tune: config.tune,
	})
	if err != nil {
		return nil, fmt.Errorf("configurations: %w", err)
	}
	c := &Configurations{config: config, contents: newContents(config), ended: make(chan struct{})}
	c.follower = &follower{Configurations: c, cluster: cluster}
	if err := c.follower.load(ctx, config.OnProgress); err != nil {
		c.contents.close()
		return nil, errors.Join(fmt.Errorf("configurations: read topic %q: %w", config.Topic, err), c.follower.stop(), cluster.Close())
	}
	following, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.stopped.Go(func() { c.follower.run(following) })
	c.close = sync.OnceValue(func() error {
		c.closed.Store(true)
		close(c.ended)
		c.stop()
		c.stopped.Wait()
		c.contents.close()
		return errors.Join(c.follower.stop(), cluster.Close())
	})
	return c, nil
}

// Close stops following the topic and cancels running fetches. It may be called more than once. Close after the
// application has stopped: a lookup after Close fails with ErrClosed, which ends the application under every error policy.
func (c *Configurations) Close() error { return c.close() }

// Err returns why the topic cannot be followed at the moment, ErrClosed after Close, and nil if all is well. It is for health
// checks: lookups fail for it only when it has lasted for Config.BrokerTimeout.
func (c *Configurations) Err() error {
	if c.closed.Load() {
		return ErrClosed
	}
	_, err := c.follower.trouble()
	return err
}

// CacheInfo says how the cache of contents does.
func (c *Configurations) CacheInfo() CacheInfo { return c.contents.statistics() }

// Status is the state of the topic as far as it was read.
type Status struct {
	// Configurations and Versions are those that there are now.
	Configurations, Versions int
	// Records counts the records of the topic that were read, Skipped those of them that could not be understood; both since
	// the topic was last read from the beginning.
	Records, Skipped int64
	// Lag is how many offsets of the topic were not read yet, as last seen.
	Lag int64
	// Err is the error of Configurations.Err.
	Err error
}

// Status is the state of the topic as far as it was read.
func (c *Configurations) Status() Status {
	s := c.follower.status()
	s.Configurations, s.Versions = c.table.Load().size()
	s.Err = c.Err()
	return s
}

// usable returns why lookups fail now, or nil. None of it is the fault of a record.
func (c *Configurations) usable() error {
	if c.closed.Load() {
		return operator.Fatal(ErrClosed)
	}
	since, err := c.follower.trouble()
	if err == nil || c.config.BrokerTimeout < 0 {
		return nil
	}
	if lasts := time.Since(since); lasts > c.config.BrokerTimeout {
		return &weir.RetryLaterError{
			Err: fmt.Errorf("%w: topic %q, for %v: %w", ErrStale, c.config.Topic, lasts.Round(time.Second), err),
		}
	}
	return nil
}
