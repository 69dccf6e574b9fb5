package pubsub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/internal/pubsub"
	"github.com/weirstreams/weir/source"
)

const (
	// batchRecords and batchBytes bound a batch.
	batchRecords = 500
	batchBytes   = 1 << 20
	// pollWait is how long Read waits for messages before it returns without any, so that acknowledgements can be sent.
	pollWait = 500 * time.Millisecond
	// queued is how many messages wait for Read. When there are more, the stream is not read.
	queued = 256
	// firstWait and maxWait are those between attempts to open a stream.
	firstWait = 250 * time.Millisecond
	maxWait   = 15 * time.Second
	// callIDs is how many messages a call names. Pub/Sub bounds the size of a call to 512 KiB.
	callIDs = 1000
	// closeWait is how long the end of a reader may take to give its messages back.
	closeWait = 2 * time.Second
)

// reader reads a stream of messages. When the stream breaks it opens another one, so that an outage holds it up and ends nothing.
type reader[K, V any] struct {
	subscription *subscription[K, V]
	log          *slog.Logger
	id           string // names the reader in positions
	batches      int    // records of a batch at most, or 0

	ctx     context.Context // of everything that outlives a call; ended by stop
	stop    context.CancelFunc
	running sync.WaitGroup

	streaming bool // a goroutine reads a stream into messages, and says in broken how it has ended
	messages  chan *pubsubpb.ReceivedMessage
	broken    chan error
	wait      time.Duration // before the next stream
	// open are the messages that were returned and are not acknowledged, in order. count is the number of messages that were returned.
	open   []unacknowledged
	count  uint64
	failed error // of a message behind the records that were returned last

	mu sync.Mutex
	// held are the sizes of all messages that came and are not acknowledged, and bytes their sum; guarded by mu.
	held  map[string]int
	bytes int64
}

type unacknowledged struct {
	count uint64
	ackID string
}

// Read implements source.Reader.
func (r *reader[K, V]) Read(ctx context.Context, into *source.Batch[K, V]) error {
	if r.failed != nil {
		return r.failed
	}
	if !r.streaming {
		r.start()
	}
	messages := r.messages
	if r.full() { // until something is acknowledged
		messages = nil
	}
	timer := time.NewTimer(pollWait)
	defer timer.Stop()
	select {
	case m := <-messages:
		return r.fill(m, into)
	case err := <-r.broken:
		r.streaming = false
		return r.again(err)
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// full reports whether as many messages were returned as may be between two commits.
func (r *reader[K, V]) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := &r.subscription.options
	return len(r.open) >= o.Window || r.bytes >= o.WindowBytes && len(r.open) > 0
}

// start opens a stream, and reads it on a goroutine.
func (r *reader[K, V]) start() {
	r.streaming, r.broken = true, make(chan error, 1)
	broken := r.broken
	r.running.Go(func() { broken <- r.stream() })
}

// stream reads a stream until it breaks or the reader is closed.
func (r *reader[K, V]) stream() error {
	o := &r.subscription.options
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	opening := context.AfterFunc(r.ctx, cancel)
	stream, err := r.subscription.client.StreamingPull(ctx)
	if err == nil {
		err = stream.Send(&pubsubpb.StreamingPullRequest{
			Subscription: r.subscription.path, StreamAckDeadlineSeconds: int32(o.AckDeadline / time.Second), ClientId: r.id,
			MaxOutstandingMessages: int64(o.Window), MaxOutstandingBytes: o.WindowBytes,
		})
	}
	if err != nil && !errors.Is(err, io.EOF) { // io.EOF: Recv has the error
		return err
	}
	if !opening() {
		return r.ctx.Err()
	}
	// Messages on their way are read to the end of the stream, so that the reader can give them back.
	closing := context.AfterFunc(r.ctx, func() {
		_ = stream.CloseSend() // it returns nil
		time.AfterFunc(closeWait, cancel)
	})
	defer closing()
	for {
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		for _, m := range answer.GetReceivedMessages() {
			r.hold(m)
			select {
			case r.messages <- m:
			case <-r.ctx.Done():
			}
		}
	}
}

// again says when to open another stream, or that it is of no use.
func (r *reader[K, V]) again(err error) error {
	if errors.Is(err, io.EOF) { // the end of a stream in order
		return &weir.RetryLaterError{RetryAfter: firstWait, Err: err}
	}
	err = fmt.Errorf("read %s: pubsub.subscriptions.consume: %w", r.subscription, pubsub.Judge(err))
	if _, ok := errors.AsType[*web.Transient](err); !ok {
		return err
	}
	r.wait = min(max(2*r.wait, firstWait), maxWait)
	r.log.Warn("the subscription cannot be read; trying again", "wait", r.wait, "error", err)
	return &weir.RetryLaterError{RetryAfter: r.wait, Err: err}
}

// hold notes a message that came.
func (r *reader[K, V]) hold(m *pubsubpb.ReceivedMessage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := len(m.GetMessage().GetData())
	for name, value := range m.GetMessage().GetAttributes() {
		size += len(name) + len(value)
	}
	r.held[m.GetAckId()] = size
	r.bytes += int64(size)
}

// release forgets messages that are acknowledged.
func (r *reader[K, V]) release(ackIDs []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ackIDs {
		r.bytes -= int64(r.held[id])
		delete(r.held, id)
	}
}

// extend makes the deadlines of all messages longer, as long as the reader is open.
func (r *reader[K, V]) extend() {
	tick := time.NewTicker(r.subscription.options.AckDeadline / 3)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			return
		}
		if err := r.setDeadline(r.ctx, r.subscription.options.AckDeadline); err != nil && r.ctx.Err() == nil {
			r.log.Warn("the deadlines of messages cannot be made longer: they may come again", "error", err)
		}
	}
}

// setDeadline sets the deadline of all held messages. 0 gives them back.
func (r *reader[K, V]) setDeadline(ctx context.Context, deadline time.Duration) error {
	r.mu.Lock()
	ids := make([]string, 0, len(r.held))
	for id := range r.held {
		ids = append(ids, id)
	}
	r.mu.Unlock()
	return r.call(ctx, ids, func(ctx context.Context, ids []string) error {
		return r.subscription.client.ModifyAckDeadline(ctx, &pubsubpb.ModifyAckDeadlineRequest{
			Subscription: r.subscription.path, AckIds: ids, AckDeadlineSeconds: int32(deadline / time.Second),
		})
	})
}

// call makes calls for messages, some at a time.
func (r *reader[K, V]) call(ctx context.Context, ids []string, call func(ctx context.Context, ids []string) error) error {
	for len(ids) > 0 {
		n := min(len(ids), callIDs)
		err := r.subscription.project.Call(ctx, "pubsub.subscriptions.consume", func(ctx context.Context) error { return r.lost(call(ctx, ids[:n])) })
		if err != nil {
			return fmt.Errorf("%s: %w", r.subscription, err)
		}
		ids = ids[n:]
	}
	return nil
}

// lost logs messages with deadlines that were over before the call, and returns the error of the others. A subscription with exactly-once delivery tells which ones they are: they come again.
func (r *reader[K, V]) lost(err error) error {
	said, _ := status.FromError(err)
	lost := 0
	for _, detail := range said.Details() {
		info, _ := detail.(*errdetails.ErrorInfo)
		for _, reason := range info.GetMetadata() {
			if !strings.HasPrefix(reason, "PERMANENT_FAILURE") {
				return err
			}
			lost++
		}
	}
	if lost == 0 {
		return err
	}
	r.log.Warn("the deadlines of messages were over: they come again", "messages", lost)
	return nil
}

// fill puts a message and those behind it that are there into a batch.
func (r *reader[K, V]) fill(m *pubsubpb.ReceivedMessage, into *source.Batch[K, V]) error {
	r.wait = 0
	most := batchRecords
	if r.batches > 0 {
		most = min(most, r.batches)
	}
	for m != nil {
		if err := r.add(m, into); err != nil {
			if len(into.Records) == 0 {
				return err
			}
			r.failed = err
			break
		}
		m = nil
		if len(into.Records) < most && into.Bytes < batchBytes && len(r.open) < r.subscription.options.Window {
			select {
			case m = <-r.messages:
			default:
			}
		}
	}
	into.Position = strconv.AppendUint(append([]byte(r.id), ' '), r.count, 10)
	return nil
}

// add puts the record of a message into a batch.
func (r *reader[K, V]) add(received *pubsubpb.ReceivedMessage, into *source.Batch[K, V]) error {
	o := &r.subscription.options
	m := received.GetMessage()
	published := m.GetPublishTime().AsTime()
	record, err := o.Record(Message{
		ID: m.GetMessageId(), Data: m.GetData(), Attributes: m.GetAttributes(), OrderingKey: m.GetOrderingKey(), Published: published,
		DeliveryAttempt: int(received.GetDeliveryAttempt()),
	})
	if err != nil {
		err = fmt.Errorf("message %s of %s, of ordering key %q and %d bytes: %w", m.GetMessageId(), r.subscription, m.GetOrderingKey(), len(m.GetData()), err)
		if !o.SkipInvalid {
			return fmt.Errorf("%w (Options.SkipInvalid skips such messages)", err)
		}
		r.log.Warn("a message is skipped", "error", err)
	}
	r.count++
	r.open = append(r.open, unacknowledged{r.count, received.GetAckId()})
	if err != nil {
		return nil
	}
	if record.Millis == 0 {
		record.Millis = published.UnixMilli()
	}
	if o.Headers {
		for _, name := range sortedNames(m.GetAttributes()) {
			record.Headers = append(record.Headers, weir.Header{Key: name, Value: []byte(m.GetAttributes()[name])})
		}
	}
	into.Records = append(into.Records, record)
	into.Bytes += int64(len(m.GetData()) + len(m.GetOrderingKey()))
	return nil
}

// Acknowledge implements source.Reader. Positions of a reader before this one count for nothing: Pub/Sub sends their messages again. After an error the messages are acknowledged with those of the
// next call.
func (r *reader[K, V]) Acknowledge(ctx context.Context, position []byte) error {
	id, text, _ := strings.Cut(string(position), " ")
	count, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil:
		return fmt.Errorf("source pubsub: %q is no position", position)
	case id != r.id:
		return nil
	}
	var ids []string
	for _, m := range r.open {
		if m.count > count {
			break
		}
		ids = append(ids, m.ackID)
	}
	err = r.call(ctx, ids, func(ctx context.Context, ids []string) error {
		return r.subscription.client.Acknowledge(ctx, &pubsubpb.AcknowledgeRequest{Subscription: r.subscription.path, AckIds: ids})
	})
	if err != nil {
		return fmt.Errorf("acknowledge messages of %w", err)
	}
	r.release(ids)
	r.open = r.open[len(ids):]
	return nil
}

// Close implements source.Reader. It gives back the messages that are not acknowledged, so that another reader gets them at once.
func (r *reader[K, V]) Close() error {
	r.stop()
	r.running.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	if err := r.setDeadline(ctx, 0); err != nil {
		r.log.Warn("messages could not be given back: they come again after their deadline", "deadline", r.subscription.options.AckDeadline, "error", err)
	}
	return nil
}

// ended is the reader of a split that the source does not have any more.
type ended[K, V any] struct{}

func (ended[K, V]) Read(context.Context, *source.Batch[K, V]) error { return io.EOF }
func (ended[K, V]) Acknowledge(context.Context, []byte) error       { return nil }
func (ended[K, V]) Close() error                                    { return nil }
