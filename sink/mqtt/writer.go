package mqtt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/mqtt"
	"github.com/weirstreams/weir/sink"
)

// writer holds the messages of a task until the next checkpoint, and publishes them over a connection of its own.
type writer[K, V any] struct {
	broker   *broker[K, V]
	now      func() time.Time
	clientID string

	messages []mqtt.Message
	origins  []weir.Origin
	bytes    int64
	since    time.Time // when the first message was added
	written  int       // messages in front that are acknowledged
	sent     int       // messages in front that are acknowledged or published on conn
	conn     *mqtt.Conn
	acks     *acks // of conn
	lastID   uint16
}

// acks are the acknowledgements of a connection. Its reading goroutine adds them.
type acks struct {
	mu   sync.Mutex // guards got
	got  map[uint16]error
	came chan struct{} // holds a signal
}

func (a *acks) add(id uint16, err error) {
	a.mu.Lock()
	a.got[id] = err
	a.mu.Unlock()
	select {
	case a.came <- struct{}{}:
	default:
	}
}

func (a *acks) take(id uint16) (err error, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	err, ok = a.got[id]
	delete(a.got, id)
	return err, ok
}

var errNullKey = errors.New("the key is null, and names the topic: set Options.Topic or Options.Name")

// Add implements [sink.Writer].
func (w *writer[K, V]) Add(_ context.Context, r *weir.Record[K, V]) error {
	m, err := w.message(r)
	if err != nil {
		return fmt.Errorf("publish to the MQTT broker at %s: %w", w.broker.address.Host, err)
	}
	if len(w.messages) == 0 {
		w.since = w.now()
	}
	w.messages = append(w.messages, m)
	w.origins = append(w.origins, *r.Origin)
	w.bytes += int64(len(m.Topic) + len(m.Payload))
	return nil
}

// message makes the message of a record.
func (w *writer[K, V]) message(r *weir.Record[K, V]) (m mqtt.Message, err error) {
	o := &w.broker.options
	switch {
	case o.Name != "":
		m.Topic = o.Name
	case o.Topic != nil:
		m.Topic, err = o.Topic(r)
	default:
		var null bool
		if m.Topic, null, err = w.broker.keyText(r.Key); err == nil && (null || r.KeyNull) {
			err = errNullKey
		}
		m.Topic = o.Prefix + m.Topic
	}
	if err != nil {
		return m, fmt.Errorf("the topic: %w", err)
	}
	if m.Payload, err = o.Payload(r); err != nil {
		return m, fmt.Errorf("topic %q: %w", m.Topic, err)
	}
	m.QoS, m.Retain = o.QoS.qos(), o.Retain
	if o.RetainOf != nil {
		m.Retain = o.RetainOf(r)
	}
	if o.Properties != nil {
		if m.Properties, err = o.Properties(r); err != nil {
			return m, fmt.Errorf("topic %q: %w", m.Topic, err)
		}
	}
	if err := m.Check(w.broker.version()); err != nil {
		return m, err
	}
	const overhead = 16
	if most := w.broker.limits.MaximumPacket; most > 0 && len(m.Topic)+len(m.Payload)+overhead > most {
		return m, fmt.Errorf("the message to topic %q has %d bytes, and the broker takes packets of %d", m.Topic, len(m.Payload), most)
	}
	return m, nil
}

// Full implements [sink.Writer].
func (w *writer[K, V]) Full() bool {
	o := &w.broker.options
	return len(w.messages) >= o.HoldRecords || w.bytes >= o.HoldBytes || o.MaxAge > 0 && len(w.messages) > 0 && w.now().Sub(w.since) >= o.MaxAge
}

// Discard implements [sink.Writer].
func (w *writer[K, V]) Discard() {
	clear(w.messages)
	w.messages, w.origins, w.bytes, w.written, w.sent = w.messages[:0], w.origins[:0], 0, 0, 0
}

// Close implements [sink.Writer].
func (w *writer[K, V]) Close() error {
	w.messages, w.origins, w.bytes, w.written = nil, nil, 0, 0
	if w.conn == nil {
		return nil
	}
	return w.conn.Close()
}

// busyWait is how long the application holds its input back after the attempts of Options.Retry are used up.
const busyWait = 5 * time.Second

// Flush implements [sink.Writer].
func (w *writer[K, V]) Flush(ctx context.Context, _ sink.Checkpoint) error {
	if len(w.messages) == 0 {
		return nil
	}
	retry := w.broker.options.Retry
	retry.If = passes
	at := fmt.Sprintf("publish to the MQTT broker at %s", w.broker.address.Host)
	before := w.written
	err := retry.Do(ctx, w.publish)
	for err != nil && w.written > before && passes(err) && ctx.Err() == nil { // the connection works for a while
		before = w.written
		err = retry.Do(ctx, w.publish)
	}
	switch {
	case err == nil:
		w.Discard()
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", at, errors.Join(context.Cause(ctx), err))
	case passes(err):
		return &weir.RetryLaterError{RetryAfter: busyWait, Err: fmt.Errorf("%s: %w", at, err)}
	}
	if refused, ok := errors.AsType[*mqtt.RefusedError](err); ok && refused.OfMessage() && w.written < len(w.messages) {
		i := w.written
		w.written++
		return sink.RecordErrors{{Index: i, Origin: w.origins[i], Err: fmt.Errorf("%s: topic %q: %w", at, w.messages[i].Topic, err)}}
	}
	return fmt.Errorf("%s: %w", at, err)
}

// open opens the connection unless it is open.
func (w *writer[K, V]) open(ctx context.Context) error {
	if w.broker.options.Will != nil {
		if err := w.broker.openWill(ctx); err != nil {
			return err
		}
	}
	if w.conn != nil {
		if w.conn.Err() == nil {
			return nil
		}
		_ = w.conn.Close() // it has ended
		w.conn = nil
	}
	a := &acks{got: map[uint16]error{}, came: make(chan struct{}, 1)}
	c, err := w.broker.dial(ctx, w.clientID, nil, a.add)
	if err != nil {
		return err
	}
	w.conn, w.acks, w.lastID = c, a, 0
	return nil
}

// writeBytes is how much is collected before it is written.
const writeBytes = 64 << 10

// publish publishes the messages that are not acknowledged, in order, with a window of outstanding ones. After an error the connection is closed, so that no
// late acknowledgement counts for another message.
func (w *writer[K, V]) publish(ctx context.Context) error {
	if err := w.open(ctx); err != nil {
		return err
	}
	err := w.publishAll(ctx)
	if err != nil {
		w.conn.Abort()
		// A broker may refuse a message and end the connection.
		if _, refusal := w.takeAcks(); refusal != nil {
			return refusal
		}
	}
	return err
}

// takeAcks counts the messages in front that are acknowledged, and reports whether there are some. Its error is the refusal of the next one.
func (w *writer[K, V]) takeAcks() (some bool, refusal error) {
	for w.written < w.sent {
		refusal, ok := w.acks.take(w.messages[w.written].ID)
		if !ok || refusal != nil {
			return some, refusal
		}
		w.written++
		some = true
	}
	return some, nil
}

func (w *writer[K, V]) publishAll(ctx context.Context) error {
	w.sent = w.written
	if w.broker.options.QoS == AtMostOnce {
		for i := w.written; i < len(w.messages); i++ {
			if w.conn.QueueMessage(&w.messages[i]) >= writeBytes {
				if err := w.flush(ctx); err != nil {
					return err
				}
			}
		}
		if err := w.conn.Ping(ctx); err != nil {
			return err
		}
		w.written = len(w.messages)
		return nil
	}
	window := max(1, min(w.broker.options.Window, w.conn.Limits.ReceiveMaximum))
	timeout := time.NewTimer(w.broker.options.Timeout)
	defer timeout.Stop()
	for w.written < len(w.messages) {
		for w.sent < len(w.messages) && w.sent-w.written < window {
			if w.lastID++; w.lastID == 0 {
				w.lastID = 1
			}
			m := &w.messages[w.sent]
			m.ID = w.lastID
			w.sent++
			if w.conn.QueueMessage(m) >= writeBytes {
				if err := w.flush(ctx); err != nil {
					return err
				}
			}
		}
		if err := w.flush(ctx); err != nil {
			return err
		}
		acknowledged, refusal := w.takeAcks()
		if refusal != nil {
			return refusal
		}
		if acknowledged {
			timeout.Reset(w.broker.options.Timeout)
			continue
		}
		select {
		case <-w.acks.came:
		case <-w.conn.Done():
			return w.conn.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timeout.C:
			return fmt.Errorf("the broker has acknowledged no message within %v: %w", w.broker.options.Timeout, context.DeadlineExceeded)
		}
	}
	return nil
}

// flush writes the queued packets, unless ctx has ended.
func (w *writer[K, V]) flush(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return w.conn.Flush()
}
