package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
)

const (
	// batchRecords and batchBytes bound a batch.
	batchRecords = 500
	batchBytes   = 1 << 20
	// pulled is how many messages the client asks for at a time, which bounds its memory.
	pulled = 1000
	// queued is how many messages wait for Read.
	queued = 256
)

// reader reads a stream behind a position. The client keeps its consumer up, and makes it again behind the last message after an outage.
type reader[K, V any] struct {
	server    *server[K, V]
	log       *slog.Logger
	consuming jetstream.ConsumeContext
	created   int64  // of the stream
	last      uint64 // message that was read

	messages chan jetstream.Msg
	gone     chan struct{} // closed by Close
	failed   chan error    // has an error that no time mends
	invalid  error         // of a message behind the records that were returned last
}

// take hands a message to Read. The client calls it, one message after the other.
func (r *reader[K, V]) take(m jetstream.Msg) {
	select {
	case r.messages <- m:
	case <-r.gone:
	}
}

// warn is called by the client when it cannot read.
func (r *reader[K, V]) warn(_ jetstream.ConsumeContext, err error) {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		select {
		case r.failed <- err:
		default:
		}
		return
	}
	r.log.Warn("the stream cannot be read; trying again", "stream", r.server.options.Stream, "servers", r.server.hosts, "error", err)
}

// Read implements source.Reader.
func (r *reader[K, V]) Read(ctx context.Context, into *source.Batch[K, V]) error {
	if r.invalid != nil {
		return r.invalid
	}
	select {
	case m := <-r.messages:
		return r.fill(m, into)
	case err := <-r.failed:
		return fmt.Errorf("read %s: %w", r.server, err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fill puts a message and those behind it that are there into a batch.
func (r *reader[K, V]) fill(m jetstream.Msg, into *source.Batch[K, V]) error {
	for {
		if err := r.add(m, into); err != nil {
			if len(into.Records) == 0 {
				return err
			}
			r.invalid = err
			break
		}
		if len(into.Records) >= batchRecords || into.Bytes >= batchBytes {
			break
		}
		next := false
		select {
		case m = <-r.messages:
			next = true
		default:
		}
		if !next {
			break
		}
	}
	into.Position = strconv.AppendUint(append(strconv.AppendInt(nil, r.created, 10), ' '), r.last, 10)
	return nil
}

// add puts the record of a message into a batch.
func (r *reader[K, V]) add(m jetstream.Msg, into *source.Batch[K, V]) error {
	o := &r.server.options
	about, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("read %s: %w", r.server, err)
	}
	sequence := about.Sequence.Stream
	if sequence <= r.last { // it was read before the consumer was made again
		return nil
	}
	record, err := o.Record(Message{Subject: m.Subject(), Payload: m.Data(), Headers: m.Headers(), Sequence: sequence, Time: about.Timestamp})
	if err != nil {
		err = fmt.Errorf("message %d of %s, of subject %q and %d bytes: %w", sequence, r.server, m.Subject(), len(m.Data()), err)
		if !o.SkipInvalid {
			return fmt.Errorf("%w (Options.SkipInvalid skips such messages)", err)
		}
		r.log.Warn("a message is skipped", "error", err)
	}
	r.last = sequence
	into.Behind = int64(about.NumPending)
	if err != nil {
		return nil
	}
	if record.Millis == 0 {
		record.Millis = about.Timestamp.UnixMilli()
	}
	if o.Headers {
		for name, values := range m.Headers() {
			for _, value := range values {
				record.Headers = append(record.Headers, weir.Header{Key: name, Value: []byte(value)})
			}
		}
	}
	into.Records = append(into.Records, record)
	into.Bytes += int64(len(m.Subject()) + len(m.Data()))
	return nil
}

// Acknowledge implements source.Reader. The stream keeps its messages, and the application keeps the position.
func (*reader[K, V]) Acknowledge(context.Context, []byte) error { return nil }

// closeWait is how long Close waits for the client.
const closeWait = 5 * time.Second

// Close implements source.Reader.
func (r *reader[K, V]) Close() error {
	close(r.gone)
	r.consuming.Stop()
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-r.consuming.Closed():
	case <-timer.C:
	}
	return nil
}
