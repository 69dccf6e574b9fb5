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
	"github.com/weirstreams/weir/sink/internal/bulk"
)

// message is a record that is published. done says that the broker has it; refused is the answer to a message that it does not take.
type message struct {
	mqtt.Message
	done    bool
	refused error
}

// writer makes messages of the records of a task, and publishes them in batches over a connection of its own.
type writer[K, V any] struct {
	*bulk.Writer[K, V, *message]
	broker   *broker[K, V]
	clientID string

	// messages are those of the batch at hand that are left.
	messages []*message
	written  int // messages in front that are acknowledged
	sent     int // messages in front that are acknowledged or published on conn
	conn     *mqtt.Conn
	acks     *acks // of conn
	lastID   uint16
}

func newWriter[K, V any](b *broker[K, V], task sink.Task, clientID string) *writer[K, V] {
	w := &writer[K, V]{broker: b, clientID: clientID}
	o := &b.options
	w.Writer = bulk.NewWriter(bulk.Config[K, V, *message]{
		Target: b, Noun: "message", Make: w.message, Write: w.write, Size: func(m *message) int { return len(m.Topic) + len(m.Payload) },
	}, sink.BatchOptions{
		MaxRecords: max(o.Window, defaultWindow), HoldRecords: o.HoldRecords, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge, Now: task.Now,
	})
	return w
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

// message makes the message of a record.
func (w *writer[K, V]) message(r *weir.Record[K, V]) (*message, error) {
	m := &message{}
	var err error
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
		return nil, fmt.Errorf("the topic: %w", err)
	}
	if m.Payload, err = o.Payload(r); err != nil {
		return nil, fmt.Errorf("topic %q: %w", m.Topic, err)
	}
	m.QoS, m.Retain = o.QoS.qos(), o.Retain
	if o.RetainOf != nil {
		m.Retain = o.RetainOf(r)
	}
	if o.Properties != nil {
		if m.Properties, err = o.Properties(r); err != nil {
			return nil, fmt.Errorf("topic %q: %w", m.Topic, err)
		}
	}
	if err := m.Check(w.broker.version()); err != nil {
		return nil, err
	}
	const overhead = 16
	if l := w.broker.limits.Load(); l != nil && l.MaximumPacket > 0 && len(m.Topic)+len(m.Payload)+overhead > l.MaximumPacket {
		return nil, fmt.Errorf("the message to topic %q has %d bytes, and the broker takes packets of %d", m.Topic, len(m.Payload), l.MaximumPacket)
	}
	return m, nil
}

// Close implements [sink.Writer].
func (w *writer[K, V]) Close() error {
	err := w.Writer.Close()
	if w.conn != nil {
		err = errors.Join(err, w.conn.Close())
	}
	return err
}

// busyWait is how long the application holds its input back after the attempts of Options.Retry are used up.
const busyWait = 5 * time.Second

// write publishes a batch, with as many attempts as the policy allows. Messages that are through stay so when it is called again with them.
func (w *writer[K, V]) write(ctx context.Context, records []weir.Record[struct{}, *message]) error {
	w.messages, w.written, w.sent = w.messages[:0], 0, 0
	for i := range records {
		if m := records[i].Value; !m.done && m.refused == nil {
			w.messages = append(w.messages, m)
		}
	}
	err := w.publishLeft(ctx)
	for _, m := range w.messages[:w.written] {
		m.done = m.refused == nil
	}
	clear(w.messages)
	switch {
	case err == nil:
		return bulk.Refused(records, func(m *message) error { return m.refused })
	case ctx.Err() != nil:
		return fmt.Errorf("publish to %s: %w", w.broker, errors.Join(context.Cause(ctx), err))
	case passes(err):
		return &weir.RetryLaterError{RetryAfter: busyWait, Err: fmt.Errorf("publish to %s: %w", w.broker, err)}
	}
	return fmt.Errorf("publish to %s: %w", w.broker, err)
}

// publishLeft publishes the messages that are left, and notes the ones that the broker refuses.
func (w *writer[K, V]) publishLeft(ctx context.Context) error {
	retry := w.broker.options.Retry
	retry.If = passes
	for w.written < len(w.messages) {
		before := w.written
		err := retry.Do(ctx, w.publish)
		if refusal, ok := errors.AsType[*mqtt.RefusedError](err); ok && refusal.OfMessage() && w.written < len(w.messages) {
			m := w.messages[w.written]
			m.refused = fmt.Errorf("publish to %s: topic %q: %w", w.broker, m.Topic, err)
			w.written++
			continue
		}
		if err != nil && (w.written == before || !passes(err) || ctx.Err() != nil) { // else the connection works for a while
			return err
		}
	}
	return nil
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
			if w.conn.QueueMessage(&w.messages[i].Message) >= writeBytes {
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
			m := &w.messages[w.sent].Message
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
