package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/sink"
)

// maxFlight bounds the bytes that are handed to a producer at a time, so that it has room for them.
const maxFlight = 16 << 20

// Flush implements [sink.Writer]. Items that are not acknowledged within Options.Timeout stay with the producer, which goes on to send them: the next
// Flush waits for them, and does not write them twice.
func (w *writer[K, V]) Flush(ctx context.Context, _ sink.Checkpoint) error {
	for w.written < len(w.items) {
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), w.drop())
		}
		err := w.handOver(ctx)
		if err == nil {
			err = w.await(ctx)
		}
		n := w.inFlight
		refused := errors.Is(err, broker.ErrRefused)
		late, isLate := errors.AsType[*lateError](err)
		switch {
		case err == nil:
			w.advance(n)
			continue
		case ctx.Err() != nil:
			return errors.Join(context.Cause(ctx), w.drop())
		case isLate:
			return w.failed(n, late)
		}
		if err := errors.Join(err, w.drop()); !refused {
			return w.failed(n, err)
		}
		if n > 1 { // smaller attempts tell which record is the cause
			w.limit, w.until = n/2, max(w.until, w.written+n)
			continue
		}
		at := w.items[w.written]
		w.advance(n)
		return sink.RecordErrors{{Origin: at.origin, Err: &weir.ProduceError{Topic: w.sink.topic.Name(), Partition: at.partition, Err: err}}}
	}
	w.Discard()
	return nil
}

// lateError says that items are not acknowledged yet.
type lateError struct{ error }

func (e *lateError) Unwrap() error { return e.error }

// handOver gives the next items to the producer, unless it has some.
func (w *writer[K, V]) handOver(ctx context.Context) (err error) {
	if w.inFlight > 0 {
		return nil
	}
	if w.producer == nil {
		config := broker.ProducerConfig{Compression: w.sink.options.Compression, DeliveryTimeout: broker.DeliveryTimeout(-1)} // Timeout is the bound
		p, err := w.sink.cluster.NewProducer(config)
		if err != nil {
			return err
		}
		w.producer = p
	}
	w.inFlight = w.fitting()
	byPartition := map[int32][]broker.Record{}
	for _, i := range w.items[w.written : w.written+w.inFlight] {
		byPartition[i.partition] = append(byPartition[i.partition], i.record)
	}
	bounded, cancel := context.WithTimeout(ctx, w.sink.options.Timeout)
	defer cancel()
	for partition, records := range byPartition {
		tp := broker.TopicPartition{Topic: w.sink.topic.Name(), Partition: partition}
		if err := w.producer.Send(bounded, tp, records); err != nil {
			if bounded.Err() != nil {
				return fmt.Errorf("%w: %w", weir.ErrUnavailable, err)
			}
			return err
		}
	}
	return nil
}

// fitting returns the number of items to hand over: at least one.
func (w *writer[K, V]) fitting() int {
	left := w.items[w.written:]
	if w.limit > 0 && len(left) > w.limit {
		left = left[:w.limit]
	}
	bytes := 0
	for i := range left {
		if bytes += left[i].size; i > 0 && bytes > maxFlight {
			return i
		}
	}
	return len(left)
}

// await waits until all in-sync replicas have the items in flight.
func (w *writer[K, V]) await(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, w.sink.options.Timeout)
	defer cancel()
	err := w.producer.Flush(bounded)
	switch {
	case err == nil || bounded.Err() == nil || ctx.Err() != nil:
		return err
	case len(w.producer.Missing()) > 0:
		return fmt.Errorf("%w: the topic was deleted", weir.ErrUnknownTopic)
	}
	return &lateError{fmt.Errorf("%w: they are not acknowledged within Options.Timeout (%v)", weir.ErrUnavailable, w.sink.options.Timeout)}
}

// advance counts items as written, or refused.
func (w *writer[K, V]) advance(n int) {
	w.written += n
	w.inFlight = 0
	w.limit *= 2
	if w.written >= w.until {
		w.limit, w.until = 0, 0
	}
}

// drop closes the producer, which gives up the items in flight.
func (w *writer[K, V]) drop() error {
	w.inFlight = 0
	if w.producer == nil {
		return nil
	}
	p := w.producer
	w.producer = nil
	return p.Close()
}

// failed returns the error of Flush for one of the cluster.
func (w *writer[K, V]) failed(n int, err error) error {
	if errors.Is(err, weir.ErrUnavailable) {
		err = &weir.RetryLaterError{RetryAfter: w.sink.options.OutageWait, Err: err}
	}
	return fmt.Errorf("write %d records to %v: %w", n, w.sink, err)
}
