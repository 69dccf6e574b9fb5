package kafka

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/sink"
)

// item is an encoded record, with its partition and the input record that it came from.
type item struct {
	partition int32
	record    broker.Record
	size      int
	origin    weir.Origin
}

// writer holds the records of a task, encoded, until the next checkpoint.
type writer[K, V any] struct {
	sink *Sink[K, V]
	task sink.Task
	now  func() time.Time
	// encoder encodes the record at hand, whose origin is origin, and calls Append.
	encoder *operator.TopicWriter[K, V]
	origin  weir.Origin

	items []item
	bytes int64
	since time.Time // when the first item was added
	// written is how many items are through.
	written int
	// producer is nil before the first flush, and after a failure. inFlight items behind the written ones were handed to it.
	producer broker.Producer
	inFlight int
	// limit bounds the next attempts, up to the item until, after a refusal: they find the record that the cluster refuses.
	limit, until int
}

func newWriter[K, V any](s *Sink[K, V], task sink.Task) *writer[K, V] {
	w := &writer[K, V]{sink: s, task: task, now: time.Now}
	if task.Now != nil {
		w.now = task.Now
	}
	env := &operator.Env{Context: context.Background(), Logger: slog.New(slog.DiscardHandler)}
	w.encoder = operator.NewTopicWriter(env, 0, s.topic.Name(), s.topic.KeyCodec(), s.topic.ValueCodec(), w)
	var write weir.Write[K, V]
	if s.options.ArrivalTime {
		write.Time = func(weir.Record[K, V]) time.Time { return w.now() }
	}
	if s.options.DropHeaders || s.options.OriginHeaders {
		write.Headers = w.headers
	}
	w.encoder.Override(write)
	return w
}

// headers returns the headers of a record as Options says.
func (w *writer[K, V]) headers(r weir.Record[K, V]) []weir.Header {
	headers := r.Headers
	if w.sink.options.DropHeaders {
		headers = nil
	}
	if w.sink.options.OriginHeaders && w.origin.Topic != "" {
		headers = append(headers,
			weir.Header{Key: HeaderTopic, Value: []byte(w.origin.Topic)},
			weir.Header{Key: HeaderPartition, Value: strconv.AppendInt(nil, int64(w.origin.Partition), 10)},
			weir.Header{Key: HeaderOffset, Value: strconv.AppendInt(nil, w.origin.Offset, 10)},
		)
	}
	return headers
}

// Add implements [sink.Writer].
func (w *writer[K, V]) Add(_ context.Context, r *weir.Record[K, V]) error {
	w.origin = weir.Origin{}
	if r.Origin != nil {
		w.origin = *r.Origin
	}
	var err error
	if w.sink.options.KeepPartitions {
		err = w.encoder.ReceiveIn(w.task.Partition, r)
	} else {
		err = w.encoder.Receive(r)
	}
	if err != nil {
		return fmt.Errorf("write to %v: %w", w.sink, err)
	}
	return nil
}

// Partitions is that of operator.Output.
func (w *writer[K, V]) Partitions() int32 { return w.sink.partitions }

// Append is that of operator.Output: it takes an encoded record, and refuses those that the cluster would refuse.
func (w *writer[K, V]) Append(partition int32, r *broker.Record) error {
	size := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		size += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	if err := w.check(r, size); err != nil {
		return &weir.ProduceError{Topic: w.sink.topic.Name(), Partition: partition, Err: err}
	}
	if len(w.items) == 0 {
		w.since = w.now()
	}
	kept := broker.Record{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Headers: slices.Clone(r.Headers), Millis: r.Millis}
	for i := range kept.Headers {
		kept.Headers[i].Value = bytes.Clone(kept.Headers[i].Value)
	}
	w.items = append(w.items, item{partition, kept, size, w.origin})
	w.bytes += int64(size)
	return nil
}

// check returns why the cluster would refuse a record, as far as that is known before.
func (w *writer[K, V]) check(r *broker.Record, size int) error {
	switch s := w.sink; {
	case s.compacted && r.Key == nil:
		return fmt.Errorf("%w: it has no key, and the topic is compacted", broker.ErrRefused)
	case !s.options.compresses() && size > s.maxBytes:
		return fmt.Errorf("%w: its %d bytes exceed max.message.bytes of the topic, %d", broker.ErrRefused, size, s.maxBytes)
	case r.Millis < 0:
		return fmt.Errorf("%w: its time lies before 1970", broker.ErrRefused)
	}
	return nil
}

// Full implements [sink.Writer].
func (w *writer[K, V]) Full() bool {
	o := &w.sink.options
	return len(w.items) >= o.HoldRecords || w.bytes >= o.HoldBytes ||
		o.MaxAge > 0 && len(w.items) > 0 && w.now().Sub(w.since) >= o.MaxAge
}

// Discard implements [sink.Writer].
func (w *writer[K, V]) Discard() {
	if w.inFlight > 0 {
		_ = w.drop() // a producer without transactions has no error of closing
	}
	clear(w.items)
	w.items, w.bytes, w.written, w.limit, w.until = w.items[:0], 0, 0, 0, 0
}

// Close implements [sink.Writer].
func (w *writer[K, V]) Close() error {
	w.Discard()
	w.items = nil
	return w.drop()
}
