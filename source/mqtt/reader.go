package mqtt

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/mqtt"
	"github.com/weirstreams/weir/source"
)

const (
	// batchRecords and batchBytes bound a batch.
	batchRecords = 500
	batchBytes   = 1 << 20
	// pollWait is how long Read waits for messages before it returns without any, so that acknowledgements can be sent.
	pollWait = 500 * time.Millisecond
	// queued is how many messages wait for Read. When there are more, the connection is not read.
	queued = 256
	// firstWait and maxWait are those between attempts to connect.
	firstWait = 500 * time.Millisecond
	maxWait   = 15 * time.Second
	// closeWait is how long the end of a connection waits until the broker has read the acknowledgements.
	closeWait = 2 * time.Second
)

// reader reads the session of a split. It opens a connection when it has none, so that an outage of the broker holds it up and ends nothing.
type reader[K, V any] struct {
	broker   *broker[K, V]
	log      *slog.Logger
	now      func() time.Time
	clientID string
	// epoch names the reader in positions, and count is the number of messages that it has taken.
	epoch string
	count uint64
	wait  time.Duration // before the next attempt to connect

	conn     *mqtt.Conn // nil between two connections
	messages chan mqtt.Message
	gone     chan struct{}  // closed when conn is given up
	early    []mqtt.Message // those of conn in front of messages
	// open are the messages of conn that are not acknowledged, in order.
	open []unacknowledged
	// failed is the error of a message behind the records that were returned last.
	failed error
}

type unacknowledged struct {
	count uint64
	id    uint16
}

// connect opens the connection, and subscribes.
func (r *reader[K, V]) connect(ctx context.Context) error {
	o := &r.broker.options
	messages, gone := make(chan mqtt.Message, queued), make(chan struct{})
	config := r.broker.config(r.clientID)
	config.SessionExpiry = uint32(min(int64(o.SessionExpiry/time.Second), 1<<32-2))
	config.ReceiveMaximum = uint16(o.Window)
	config.OnMessage = func(m mqtt.Message) {
		select {
		case messages <- m:
		case <-gone:
		}
	}
	c, err := mqtt.Dial(ctx, config)
	if err != nil {
		return err
	}
	r.conn, r.messages, r.gone = c, messages, gone
	// The broker may send the messages of the session before it answers.
	answer := make(chan error, 1)
	go func() { answer <- c.Subscribe(ctx, o.filters()) }()
	for {
		select {
		case m := <-messages:
			r.early = append(r.early, m)
		case err := <-answer:
			if err != nil {
				r.hangUp()
			}
			return err
		}
	}
}

// hangUp ends the connection. The broker sends the messages that are not acknowledged to the next one.
func (r *reader[K, V]) hangUp() {
	close(r.gone) // messages that come are dropped, and do not hold up the answer
	if r.conn.Err() == nil {
		// A broker may give up what it has not read when the connection ends: here, acknowledgements.
		ctx, cancel := context.WithTimeout(context.Background(), closeWait)
		_ = r.conn.Ping(ctx) // without an answer messages come again
		cancel()
	}
	_ = r.conn.Close() // it may have ended
	r.conn, r.messages, r.early, r.open = nil, nil, nil, nil
}

// Read implements source.Reader.
func (r *reader[K, V]) Read(ctx context.Context, into *source.Batch[K, V]) error {
	if r.failed != nil {
		return r.failed
	}
	if r.conn != nil && r.conn.Err() != nil {
		r.log.Warn("the connection to the MQTT broker has ended; connecting again", "broker", r.broker.address.Host, "client", r.clientID, "error", r.conn.Err())
		r.hangUp()
	}
	if r.conn == nil {
		if err := r.connect(ctx); err != nil {
			return r.notConnected(ctx, err)
		}
		r.wait = 0
	}
	if m, ok := r.next(); ok {
		return r.fill(m, into)
	}
	timer := time.NewTimer(pollWait)
	defer timer.Stop()
	select {
	case m := <-r.messages:
		return r.fill(m, into)
	case <-r.conn.Done():
		return &weir.RetryLaterError{RetryAfter: time.Millisecond, Err: r.conn.Err()}
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// notConnected says when to try again, or that it is of no use.
func (r *reader[K, V]) notConnected(ctx context.Context, err error) error {
	err = fmt.Errorf("connect to the MQTT broker at %s as %q: %w", r.broker.address.Host, r.clientID, err)
	if ctx.Err() != nil || !passes(err) {
		return err
	}
	r.wait = min(max(2*r.wait, firstWait), maxWait)
	r.log.Warn("the MQTT broker cannot be reached; trying again", "wait", r.wait, "error", err)
	return &weir.RetryLaterError{RetryAfter: r.wait, Err: err}
}

// fill puts a message and those behind it that are there into a batch.
func (r *reader[K, V]) fill(m mqtt.Message, into *source.Batch[K, V]) error {
	for {
		if err := r.add(m, into); err != nil {
			if len(into.Records) == 0 {
				return err
			}
			r.failed = err
			break
		}
		if len(into.Records) >= batchRecords || into.Bytes >= batchBytes {
			break
		}
		next, ok := r.next()
		if !ok {
			break
		}
		m = next
	}
	into.Position = strconv.AppendUint(append([]byte(r.epoch), ' '), r.count, 10)
	return nil
}

// next returns a message that is there.
func (r *reader[K, V]) next() (m mqtt.Message, ok bool) {
	if len(r.early) > 0 {
		m = r.early[0]
		r.early[0] = mqtt.Message{} // it may be large
		r.early = r.early[1:]
		return m, true
	}
	select {
	case m = <-r.messages:
		return m, true
	default:
		return m, false
	}
}

// add puts the record of a message into a batch.
func (r *reader[K, V]) add(m mqtt.Message, into *source.Batch[K, V]) error {
	o := &r.broker.options
	now := r.now()
	record, err := o.Record(Message{
		Topic: m.Topic, Payload: m.Payload, QoS: m.QoS, Retained: m.Retain, Duplicate: m.Duplicate, Properties: m.Properties, Received: now,
	})
	if err != nil {
		err = fmt.Errorf("message of topic %q, of %d bytes: %w", m.Topic, len(m.Payload), err)
		if !o.SkipInvalid {
			return fmt.Errorf("%w (Options.SkipInvalid skips such messages)", err)
		}
		r.log.Warn("a message is skipped", "error", err)
	}
	r.count++
	if m.QoS > 0 {
		r.open = append(r.open, unacknowledged{r.count, m.ID})
	}
	if err != nil {
		return nil
	}
	if record.Millis == 0 {
		record.Millis = now.UnixMilli()
	}
	if o.Headers {
		record.Headers = append(record.Headers, weir.Header{Key: HeaderTopic, Value: []byte(m.Topic)})
		for _, p := range m.Properties.User {
			record.Headers = append(record.Headers, weir.Header{Key: p.Name, Value: []byte(p.Value)})
		}
	}
	into.Records = append(into.Records, record)
	into.Bytes += int64(len(m.Topic) + len(m.Payload))
	return nil
}

// Acknowledge implements source.Reader. Positions of a reader before this one count for nothing: the broker has sent their messages again.
func (r *reader[K, V]) Acknowledge(_ context.Context, position []byte) error {
	epoch, text, _ := strings.Cut(string(position), " ")
	count, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil:
		return fmt.Errorf("MQTT source: %q is no position", position)
	case epoch != r.epoch || r.conn == nil:
		return nil
	}
	n := 0
	for n < len(r.open) && r.open[n].count <= count {
		r.conn.QueueAck(r.open[n].id)
		n++
	}
	r.open = r.open[n:]
	if err := r.conn.Flush(); err != nil {
		return fmt.Errorf("acknowledge messages to the MQTT broker at %s: %w", r.broker.address.Host, err)
	}
	return nil
}

// Close implements source.Reader.
func (r *reader[K, V]) Close() error {
	if r.conn != nil {
		r.hangUp()
	}
	return nil
}
