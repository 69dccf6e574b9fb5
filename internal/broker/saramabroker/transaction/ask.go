package transaction

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/backoff"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// busyBackoff has the waits while the coordinator is still ending the transaction before.
var busyBackoff = backoff.Policy{Base: 2 * time.Millisecond, Max: 50 * time.Millisecond}

// unknownTries is how often a topic is tried again that the coordinator does not know: about 5 s. Tests shorten it.
var unknownTries = 8

// ask sends a request to a coordinator again and again, until it is answered with something that another try would not
// change, or ctx ends. It returns true if one of the tries may have been carried out without an answer.
func (c *Coordinator) ask(ctx context.Context, l *link, request func(*sarama.Broker) error) (lost bool, err error) {
	failures, busy, unknown := 0, 0, 0
	for {
		thisLost, err := c.await(ctx, l, request)
		if err == nil {
			return false, nil
		}
		if thisLost {
			lost = true
			c.config.Unanswered()
		}
		var pause time.Duration
		switch code, _ := fault.CodeOf(err); {
		case ctx.Err() != nil, errors.Is(err, fault.ErrClosed):
			return lost, err
		case code == sarama.ErrConcurrentTransactions: // the coordinator is still about the one before
			busy++
			pause = busyBackoff.Wait(busy)
		case code == sarama.ErrUnknownTopicOrPartition && unknown < unknownTries: // a topic that is new
			unknown++
			pause = fault.Backoff.Wait(unknown)
		case fault.IsRetriable(err):
			failures++
			pause = fault.Backoff.Wait(failures)
		default:
			return lost, err
		}
		if backoff.Sleep(ctx, pause) != nil {
			return lost, err
		}
	}
}

// await tries once, unless ctx ends before. Then the connections are closed, so that the try ends soon by itself.
func (c *Coordinator) await(ctx context.Context, l *link, request func(*sarama.Broker) error) (lost bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	type result struct {
		lost bool
		err  error
	}
	results := make(chan result, 1)
	c.tries.Go(func() {
		lost, err := l.try(request)
		results <- result{lost, err}
	})
	select {
	case r := <-results:
		return r.lost, r.err
	case <-ctx.Done():
		c.conns.Interrupt()
		return true, ctx.Err()
	}
}

// worstOf returns the error of those of partitions that another try helps least against, and its partition. The error is nil if none
// has one.
func worstOf(topics map[string][]*sarama.PartitionError) (tp broker.TopicPartition, failure error) {
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		for _, p := range topics[topic] {
			err := fault.Code(p.Err)
			if err == nil || p.Err == sarama.ErrOperationNotAttempted { // because of another partition, which has its own error
				continue
			}
			if worst := fault.Worse(failure, err); failure == nil || worst != failure { //nolint:errorlint // the same value
				tp, failure = broker.TopicPartition{Topic: topic, Partition: p.Partition}, worst
			}
		}
	}
	return tp, failure
}
