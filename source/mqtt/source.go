package mqtt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/mqtt"
	"github.com/weirstreams/weir/source"
)

// New returns a source of the messages of a broker. Connect reports mistakes in the options.
func New[K, V any](o Options[K, V]) source.Source[K, V] {
	b := &broker[K, V]{wrong: o.check()}
	if b.wrong == nil {
		b.address, b.wrong = mqtt.ParseAddress(o.URL.Reveal())
	}
	if o.Record == nil {
		record := connector.RecordOf[K, V]("topic")
		o.Record = func(m Message) (weir.Record[K, V], error) { return record(m.Topic, m.Payload) }
	}
	b.options = o
	return b
}

// broker is a source.
type broker[K, V any] struct {
	options Options[K, V]
	wrong   error // with the options
	address mqtt.Address
}

var _ source.Slotted = (*broker[int, int])(nil)

// Slots implements [source.Slotted].
func (b *broker[K, V]) Slots() int32 { return int32(min(b.options.Readers, 1<<15)) }

func (b *broker[K, V]) version() mqtt.Version {
	if b.options.Version == V311 {
		return mqtt.V311
	}
	return mqtt.V5
}

// config returns the settings of a connection.
func (b *broker[K, V]) config(clientID string) mqtt.Config {
	o := &b.options
	return mqtt.Config{
		Address: b.address.Host, TLS: b.address.TLS(o.TLS), Version: b.version(), ClientID: clientID, Login: b.address.Login,
		KeepAlive: o.KeepAlive, Timeout: o.Timeout,
	}
}

// passes reports whether another attempt can help.
func passes(err error) bool {
	if refused, ok := errors.AsType[*mqtt.RefusedError](err); ok {
		return refused.Passing()
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, mqtt.ErrClosed)
}

// Connect implements [source.Source]: it makes sure that the broker accepts a client and its subscriptions, with a session that ends at once.
func (b *broker[K, V]) Connect(ctx context.Context) error {
	if b.wrong != nil {
		return fmt.Errorf("MQTT source: %w: %w", weir.ErrConfiguration, b.wrong)
	}
	at := fmt.Sprintf("connect to the MQTT broker at %s", b.address.Host)
	config := b.config(b.options.ClientID + "-" + rand.Text()[:8])
	config.Clean = true
	c, err := mqtt.Dial(ctx, config)
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	defer c.Close()
	switch {
	case c.Limits.MaximumQoS == 0:
		return fmt.Errorf("%s: %w: the broker has QoS 0 alone, and keeps no messages until they are acknowledged", at, weir.ErrConfiguration)
	case b.options.Share != "" && c.Limits.NoShared:
		return fmt.Errorf("%s: %w: the broker has no shared subscriptions: leave Options.Share out, and set Readers to 1", at, weir.ErrConfiguration)
	}
	if err := c.Subscribe(ctx, b.options.Topics); err != nil { // not the shared ones, which would take messages away
		return fmt.Errorf("%s: %w", at, err)
	}
	return nil
}

// Close implements [source.Source].
func (*broker[K, V]) Close(context.Context) error { return nil }

// Splits implements [source.Source]: a split for each reader.
func (b *broker[K, V]) Splits(context.Context, func(string) bool) ([]source.Split, error) {
	splits := make([]source.Split, b.options.Readers)
	for i := range splits {
		splits[i] = source.Split{ID: strconv.Itoa(i)}
	}
	return splits, nil
}

// Open implements [source.Source]. The position does not count: the broker knows which messages are acknowledged.
func (b *broker[K, V]) Open(_ context.Context, task source.Task, split source.Split, _ []byte) (source.Reader[K, V], error) {
	if n, err := strconv.Atoi(split.ID); err != nil || n < 0 {
		return nil, fmt.Errorf("MQTT source: split %q is not one of this source", split.ID)
	}
	r := &reader[K, V]{broker: b, log: task.Logger, now: task.Now, clientID: b.options.ClientID + "-" + split.ID, epoch: rand.Text()}
	if r.now == nil {
		r.now = time.Now
	}
	return r, nil
}
