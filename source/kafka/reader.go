package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/source"
)

// pollWait is how long Read waits for records before it returns without any.
const pollWait = time.Second

// reader reads a partition, with a fetcher of its own.
type reader[K, V any] struct {
	source   *Source[K, V]
	log      *slog.Logger
	tp       broker.TopicPartition
	fetcher  broker.Fetcher
	position position
	// fresh says that the position is not told yet: it is one that Open has chosen, and has to be kept.
	fresh bool
}

// done reports whether the partition is at the end of Options.StopAtEnd.
func (r *reader[K, V]) done() bool {
	return r.position.End > 0 && r.position.Offset >= r.position.End-1
}

// Read implements source.Reader.
func (r *reader[K, V]) Read(ctx context.Context, into *source.Batch[K, V]) error {
	if r.fresh || r.done() {
		r.fresh = false
		return r.tell(into)
	}
	batch, err := r.fetcher.Poll(ctx, pollWait)
	if ctx.Err() != nil {
		if batch != nil {
			batch.Release()
		}
		return context.Cause(ctx)
	}
	if err != nil {
		return r.failed(ctx, err, into)
	}
	if batch == nil {
		return nil
	}
	defer batch.Release()
	next := batch.NextOffset
	records := batch.Records
	if end := r.position.End - 1; end >= 0 && next > end {
		next = end
		for len(records) > 0 && records[len(records)-1].Offset >= end {
			records = records[:len(records)-1]
		}
	}
	if err := r.decode(records, into); err != nil {
		return err
	}
	into.Behind = max(0, batch.EndOffset-batch.NextOffset)
	if r.position.End > 0 {
		into.Behind = max(0, r.position.End-1-next)
	}
	if next == r.position.Offset && len(records) == 0 {
		return nil
	}
	r.position.Offset = next // also behind records that do not count, so that a restart does not read them again
	return r.tell(into)
}

// tell puts the position into the batch. The error is io.EOF at the end.
func (r *reader[K, V]) tell(into *source.Batch[K, V]) (err error) {
	if into.Position, err = json.Marshal(r.position); err != nil {
		return err
	}
	if r.done() {
		return io.EOF
	}
	return nil
}

// decode appends records to a batch.
func (r *reader[K, V]) decode(records []broker.Record, into *source.Batch[K, V]) error {
	if !r.source.options.ByKey {
		into.ToPartition(r.tp.Partition)
	}
	memory := memoryFor(records) // as codecs may keep the bytes
	for i := range records {
		if err := r.decodeRecord(&records[i], &memory, into); err != nil {
			return fmt.Errorf("source/kafka: decode %s at offset %d: %w", r.tp, records[i].Offset, err)
		}
	}
	return nil
}

func (r *reader[K, V]) decodeRecord(from *broker.Record, memory *memory, into *source.Batch[K, V]) error {
	s := r.source
	headers := memory.headers(from.Headers)
	out := weir.Record[K, V]{Millis: max(0, from.Millis), Headers: headers}
	var err error
	out.Key, out.KeyNull, err = codec.DecodeNullable(s.topic.KeyCodec(), &codec.Context{Topic: r.tp.Topic, Part: codec.Key, Headers: headers}, memory.copy(from.Key))
	if err == nil {
		out.Value, out.ValueNull, err = codec.DecodeNullable(s.topic.ValueCodec(), &codec.Context{Topic: r.tp.Topic, Part: codec.Value, Headers: headers}, memory.copy(from.Value))
	}
	switch {
	case errors.Is(err, codec.ErrIgnore):
		return nil
	case errors.Is(err, codec.ErrUnavailable), errors.Is(err, codec.ErrOutage):
		return err
	case err != nil:
		return &undecodable{err}
	}
	if s.options.ArrivalTime {
		out.Millis = 0
	}
	if s.options.DropHeaders {
		out.Headers = nil
	}
	if s.options.OriginHeaders {
		out.Headers = append(out.Headers,
			weir.Header{Key: HeaderTopic, Value: []byte(r.tp.Topic)},
			weir.Header{Key: HeaderPartition, Value: strconv.AppendInt(nil, int64(r.tp.Partition), 10)},
			weir.Header{Key: HeaderOffset, Value: strconv.AppendInt(nil, from.Offset, 10)},
		)
	}
	into.Records = append(into.Records, out)
	into.Bytes += int64(len(from.Key) + len(from.Value))
	return nil
}

// undecodable says that a record does not decode, which no other attempt changes.
type undecodable struct{ error }

func (e *undecodable) Error() string {
	return e.error.Error() + "; copy the bytes with codec.Bytes, and decode them in the topology, where Config.Errors may skip the record"
}
func (e *undecodable) Unwrap() error   { return e.error }
func (e *undecodable) Permanent() bool { return true }

// lostInput is an error of a record that is gone, which no other attempt changes.
type lostInput struct{ error }

func (e *lostInput) Unwrap() error   { return e.error }
func (e *lostInput) Permanent() bool { return true }

func (r *reader[K, V]) lost(err error) error {
	return &lostInput{fmt.Errorf(
		"source/kafka: %v: %w: %w; set Options.OnLost to LostSkips to go on with the first record that is there, or source.Options.Name to another name to begin anew",
		r.source, weir.ErrLostInput, err)}
}

// failed acts on an error of the fetcher.
func (r *reader[K, V]) failed(ctx context.Context, err error, into *source.Batch[K, V]) error {
	removed, isRemoved := errors.AsType[*broker.OffsetOutOfRangeError](err)
	replaced, isReplaced := errors.AsType[*broker.TopicReplacedError](err)
	switch {
	case !isRemoved && !isReplaced:
		return fmt.Errorf("source/kafka: read %s at offset %d: %w", r.tp, r.position.Offset, err)
	case r.source.options.OnLost == LostFails:
		return r.lost(err)
	}
	next := r.position
	if isRemoved {
		next.Offset = removed.Earliest
	} else if next, err = r.source.anew(ctx, r.tp, replaced.ID); err != nil {
		return err
	}
	r.log.Warn("records of the source are lost; going on with the first one that is there", "topic", r.tp.Topic, "partition", r.tp.Partition,
		"offset", r.position.Offset, "first", next.Offset, "error", err)
	r.position = next
	if !r.done() {
		r.fetcher.Start(r.tp, next.Offset)
	}
	return r.tell(into)
}

// checkTopic compares the topic of the position with the one that is there.
func (r *reader[K, V]) checkTopic(ctx context.Context, id string) error {
	former := r.position.Topic
	if former == "" || id == "" || former == id {
		return nil
	}
	err := &broker.TopicReplacedError{TopicPartition: r.tp, Former: former, ID: id}
	if r.source.options.OnLost == LostFails {
		return r.lost(err)
	}
	next, failed := r.source.anew(ctx, r.tp, id)
	if failed != nil {
		return failed
	}
	r.log.Warn("the topic of the source was deleted and made anew; going on with its first record", "topic", r.tp.Topic, "partition", r.tp.Partition,
		"offset", r.position.Offset, "first", next.Offset, "error", err)
	r.position, r.fresh = next, true
	return nil
}

// adopt changes a position that was made with another value of Options.StopAtEnd.
func (r *reader[K, V]) adopt(ctx context.Context) error {
	switch stop := r.source.options.StopAtEnd; {
	case stop == (r.position.End > 0):
		return nil
	case !stop:
		r.position.End = 0
		return nil
	}
	end, err := r.source.offset(ctx, broker.End, r.tp)
	r.position.End, r.fresh = end+1, true
	return err
}

// Acknowledge implements source.Reader. Nothing is committed on the cluster that is read.
func (r *reader[K, V]) Acknowledge(context.Context, []byte) error { return nil }

// Close implements source.Reader.
func (r *reader[K, V]) Close() error { return r.fetcher.Close() }
