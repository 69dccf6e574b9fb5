package websocket

import (
	"context"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
)

const (
	// readWait is how long Read waits for messages before it returns without any, so that Acknowledge is called.
	readWait = time.Second
	// closeWait is how long Close waits for the server's answer.
	closeWait = time.Second
	// batchMessages is how many messages a batch holds at most.
	batchMessages = 1000
)

// reader reads a connection until it ends. Another reader is opened then.
type reader[K, V any] struct {
	source     *Source[K, V]
	connection *websocket.Conn
	channel    string
	hidden     []secret.String

	ctx        context.Context // of the goroutines
	cancel     context.CancelCauseFunc
	goroutines sync.WaitGroup
	// lastCame is the time of the last message, in nanoseconds since 1970, or math.MaxInt64 while the receiver waits for room. held counts its waits twice: it
	// is odd during one. received counts messages.
	lastCame, held, received atomic.Int64

	came, room chan struct{} // hold one signal each

	mu       sync.Mutex // guards the fields below
	messages []Message
	bytes    int64
	err      error // of the connection

	// The fields below belong to the goroutine of the split.

	// taken are messages that were received, from next on not decoded yet.
	taken []Message
	next  int
	timer *time.Timer
}

func newReader[K, V any](s *Source[K, V], connection *websocket.Conn, channel string, hidden []secret.String) *reader[K, V] {
	r := &reader[K, V]{
		source: s, connection: connection, channel: channel, hidden: hidden, came: make(chan struct{}, 1), room: make(chan struct{}, 1),
		timer: time.NewTimer(readWait),
	}
	r.lastCame.Store(time.Now().UnixNano())
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	r.goroutines.Go(r.receive)
	if s.options.PingInterval > 0 || s.options.IdleTimeout > 0 {
		r.goroutines.Go(r.watch)
	}
	return r
}

// receive queues messages until the connection ends.
func (r *reader[K, V]) receive() {
	for r.waitForRoom() {
		if r.lastCame.Load() == math.MaxInt64 {
			r.lastCame.Store(time.Now().UnixNano())
		}
		kind, data, err := r.connection.Read(r.ctx)
		if err != nil {
			if cause := context.Cause(r.ctx); cause != nil {
				err = cause // the reason of watch, or that of Close, which nobody sees
			}
			r.mu.Lock()
			r.err = r.source.lost(err, r.hidden)
			r.mu.Unlock()
			signal(r.came)
			return
		}
		r.received.Add(1)
		if r.source.options.IdleTimeout > 0 {
			r.lastCame.Store(time.Now().UnixNano())
		}
		r.mu.Lock()
		r.messages = append(r.messages, Message{Data: data, Binary: kind == websocket.MessageBinary, Channel: r.channel})
		r.bytes += int64(len(data))
		r.mu.Unlock()
		signal(r.came)
	}
}

// waitForRoom waits until the queue takes another message, or returns false if the reader is closed.
func (r *reader[K, V]) waitForRoom() bool {
	waits := false
	for {
		r.mu.Lock()
		full := r.bytes >= r.source.options.BufferBytes || len(r.messages) >= bufferMessages
		r.mu.Unlock()
		if full != waits {
			r.held.Add(1)
			waits = full
		}
		if !full {
			return true
		}
		r.lastCame.Store(math.MaxInt64) // nothing can come
		select {
		case <-r.room:
		case <-r.ctx.Done():
			return false
		}
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Read implements source.Reader.
func (r *reader[K, V]) Read(ctx context.Context, into *source.Batch[K, V]) error {
	if r.next == len(r.taken) {
		if err := r.take(ctx); err != nil {
			return err
		}
	}
	for n := 0; r.next < len(r.taken) && n < batchMessages; n++ {
		records, position := len(into.Records), into.Position
		m := r.taken[r.next]
		if err := r.source.options.Decode(m, into); err != nil {
			if n > 0 { // the messages in front of it count; the next call ends with the error
				into.Records, into.Position = into.Records[:records], position
				return nil
			}
			return connector.Permanent{Err: fmt.Errorf("source/websocket: decode a message of %s, of %d bytes: %w; take the bytes and decode them in the topology, where Config.Errors may skip the record",
				r.source.address, len(m.Data), err)}
		}
		into.Bytes += int64(len(m.Data))
		r.taken[r.next] = Message{}
		r.next++
	}
	return nil
}

// take waits for messages, and takes all that are queued. Without any it returns after readWait.
func (r *reader[K, V]) take(ctx context.Context) error {
	r.timer.Reset(readWait)
	for {
		r.mu.Lock()
		r.taken, r.messages = r.messages, r.taken[:0]
		r.next, r.bytes = 0, 0
		err := r.err
		r.mu.Unlock()
		switch {
		case len(r.taken) > 0:
			signal(r.room)
			return nil
		case err == io.EOF: //nolint:errorlint // a connection that is cut wraps it, which is not the end of the data
			return io.EOF
		case err != nil:
			return fmt.Errorf("source/websocket: read %s: %w", r.source.address, err)
		}
		select {
		case <-r.came:
		case <-r.timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Acknowledge implements source.Reader.
func (r *reader[K, V]) Acknowledge(ctx context.Context, position []byte) error {
	if r.source.options.Acknowledge == nil || position == nil {
		return nil
	}
	if err := send(ctx, r.connection, r.source.options.Acknowledge(position)); err != nil {
		return fmt.Errorf("source/websocket: acknowledge position %q to %s: %w", position, r.source.address, err)
	}
	return nil
}

// Close implements source.Reader: it closes the connection, and waits for the goroutines.
func (r *reader[K, V]) Close() error {
	hurry := time.AfterFunc(closeWait, func() { r.cancel(nil) })
	_ = r.connection.Close(websocket.StatusNormalClosure, "") // the server may be gone
	hurry.Stop()
	r.cancel(nil)
	r.goroutines.Wait()
	r.timer.Stop()
	return nil
}

// parked is the reader of a split that is not read any more.
type parked[K, V any] struct{ ends bool }

func (p *parked[K, V]) Read(context.Context, *source.Batch[K, V]) error {
	if p.ends {
		return io.EOF
	}
	return &weir.RetryLaterError{RetryAfter: time.Minute}
}

func (p *parked[K, V]) Acknowledge(context.Context, []byte) error { return nil }
func (p *parked[K, V]) Close() error                              { return nil }
