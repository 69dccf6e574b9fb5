package runtime

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// ClientError is an error of one partition that Run has met while it read from the cluster or wrote to it.
type ClientError struct {
	Topic     string
	Partition int32
	// Offset is the next offset to read, or NoOffset if the error comes of writing: records get their offsets when they are written.
	Offset int64
	// Err is the error. errors.As finds the error of the Kafka client.
	Err error
	// Retrying says that Run goes on to try, and that nothing is lost so far. If it is false, Config.Topics.OnLostInput decides about a
	// consumer error with an Offset that does not exist any more, Config.Errors about a record that the cluster refuses,
	// and with ExactlyOnce Run goes back to its last checkpoint for as long as that helps. Any other error ends Run.
	Retrying bool
}

// NoOffset is the Offset of a ClientError that comes of writing.
const NoOffset int64 = -1

// Error names topic, partition and, if it is known, offset.
func (e ClientError) Error() string {
	if e.Offset == NoOffset {
		return fmt.Sprintf("write %s[%d]: %v", e.Topic, e.Partition, e.Err)
	}
	return fmt.Sprintf("read %s[%d] at offset %d: %v", e.Topic, e.Partition, e.Offset, e.Err)
}

// Unwrap returns Err.
func (e ClientError) Unwrap() error { return e.Err }

// clientErrors calls Config.OnConsumerError and Config.OnProducerError from one goroutine: the clients report errors while they
// hold locks, and must not wait.
type clientErrors struct {
	log               *slog.Logger
	consumer          func(ClientError) // nil if nobody asks
	producer          func(ClientError)
	queue             chan func()
	stopping, stopped chan struct{}
	dropped           atomic.Int64
}

// clientErrorQueue is how many errors wait for their function.
const clientErrorQueue = 1000

func (a *App) startClientErrors() *clientErrors {
	c := &clientErrors{
		log: a.config.Logger, consumer: a.config.OnConsumerError, producer: a.config.OnProducerError,
		queue: make(chan func(), clientErrorQueue), stopping: make(chan struct{}), stopped: make(chan struct{}),
	}
	go c.run()
	return c
}

// onConsumer and onProducer return the functions that clients call, nil without a hook.
func (c *clientErrors) onConsumer() func(broker.PartitionError) { return c.to(c.consumer) }
func (c *clientErrors) onProducer() func(broker.PartitionError) { return c.to(c.producer) }

func (c *clientErrors) to(f func(ClientError)) func(broker.PartitionError) {
	if f == nil {
		return nil
	}
	return func(e broker.PartitionError) {
		err := ClientError{Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Err: e.Err, Retrying: e.Retrying}
		select {
		case c.queue <- func() { f(err) }:
		default:
			if c.dropped.Add(1) == 1 {
				c.log.Warn("OnConsumerError or OnProducerError is too slow: it is not called for all errors", "error", err)
			}
		}
	}
}

func (c *clientErrors) run() {
	defer close(c.stopped)
	for {
		select {
		case f := <-c.queue:
			c.call(f)
		case <-c.stopping:
			for {
				select {
				case f := <-c.queue:
					c.call(f)
				default:
					return
				}
			}
		}
	}
}

func (c *clientErrors) call(f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("OnConsumerError or OnProducerError has panicked", "panic", p)
		}
	}()
	f()
}

// stop waits until the functions have seen all errors, but not for ever. The clients are closed.
func (c *clientErrors) stop() {
	close(c.stopping)
	timeout := time.NewTimer(leaveTimeout)
	defer timeout.Stop()
	select {
	case <-c.stopped:
	case <-timeout.C:
		c.log.Warn("OnConsumerError or OnProducerError has not returned", "timeout", leaveTimeout)
	}
}
