package mqtt

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/mqtt"
	"github.com/weirstreams/weir/sink"
)

// New returns a sink that publishes the records of a checkpoint before the checkpoint, at least once. Connect reports mistakes in the options.
func New[K, V any](o Options[K, V]) sink.Sink[K, V] {
	b := &broker[K, V]{wrong: o.check(), keyText: connector.KeyText[K]()}
	if b.wrong == nil {
		b.address, b.wrong = mqtt.ParseAddress(o.URL.Reveal())
	}
	if o.Payload == nil {
		o.Payload = connector.Payload[K, V]()
	}
	b.options = o
	return b
}

// broker is a sink. Its methods may be called by several goroutines at once.
type broker[K, V any] struct {
	options Options[K, V]
	wrong   error // with the options
	address mqtt.Address
	keyText func(K) (text string, null bool, err error)
	limits  atomic.Pointer[mqtt.Limits] // of the broker, when it was asked last; nil before

	mu     sync.Mutex // guards the rest
	willed *mqtt.Conn // the connection of Options.Will, or nil
}

// String names the broker.
func (b *broker[K, V]) String() string { return "the MQTT broker at " + b.address.Host }

// version returns the version of the protocol.
func (b *broker[K, V]) version() mqtt.Version {
	if b.options.Version == V311 {
		return mqtt.V311
	}
	return mqtt.V5
}

// qos returns the quality of service as the protocol has it.
func (q QoS) qos() byte {
	if q == AtMostOnce {
		return 0
	}
	return 1
}

// dial opens a connection.
func (b *broker[K, V]) dial(ctx context.Context, clientID string, will *Will, onAck func(uint16, error)) (*mqtt.Conn, error) {
	o := &b.options
	config := mqtt.Config{
		Address: b.address.Host, TLS: b.address.TLS(o.TLS), Version: b.version(), ClientID: clientID, Login: b.address.Login, Clean: true,
		KeepAlive: o.KeepAlive, Timeout: o.Timeout, OnAck: onAck,
	}
	if will != nil {
		config.Will = &mqtt.Message{Topic: will.Topic, Payload: will.Payload, QoS: will.QoS.qos(), Retain: will.Retain}
	}
	return mqtt.Dial(ctx, config)
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

// Connect implements [sink.Sink]: it makes sure that the broker accepts a client and what the options ask for.
func (b *broker[K, V]) Connect(ctx context.Context) error {
	if b.wrong != nil {
		return fmt.Errorf("MQTT sink: %w: %w", weir.ErrConfiguration, b.wrong)
	}
	retry := b.options.Retry
	retry.If = passes
	if err := retry.Do(ctx, b.openWill); err != nil {
		return fmt.Errorf("connect to the MQTT broker at %s: %w", b.address.Host, err)
	}
	return nil
}

// openWill opens the connection of the will, unless it is open. Without a will it is closed again.
func (b *broker[K, V]) openWill(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.willed != nil && b.willed.Err() == nil {
		return nil
	}
	id := b.options.ClientID
	if id == "" {
		id = "weir"
	}
	c, err := b.dial(ctx, id+"-"+rand.Text()[:8], b.options.Will, nil)
	if err != nil {
		return err
	}
	if b.willed != nil {
		_ = b.willed.Close() // it has ended
		b.willed = nil
	}
	b.limits.Store(&c.Limits)
	if err := b.checkLimits(); err != nil {
		return errors.Join(err, c.Close())
	}
	if b.options.Will == nil {
		return c.Close()
	}
	b.willed = c
	return nil
}

func (b *broker[K, V]) checkLimits() error {
	limits := b.limits.Load()
	switch {
	case b.options.QoS == AtLeastOnce && limits.MaximumQoS == 0:
		return fmt.Errorf("%w: the broker takes QoS 0 alone: set Options.QoS to AtMostOnce", weir.ErrConfiguration)
	case b.options.Retain && limits.NoRetain:
		return fmt.Errorf("%w: the broker retains no messages: do not set Options.Retain", weir.ErrConfiguration)
	}
	return nil
}

// Writer implements [sink.Sink].
func (b *broker[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	id := b.options.ClientID
	if id == "" {
		id = "weir-" + task.Application
	}
	// A task has one owner: a connection of a former one is closed by the broker when this one opens its own.
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", task.Application, task.SubTopology, task.Sink))
	return newWriter(b, task, fmt.Sprintf("%s-%s-%d", id, hex.EncodeToString(sum[:4]), task.Partition)), nil
}

// Close implements [sink.Sink].
func (b *broker[K, V]) Close(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.willed == nil {
		return nil
	}
	return b.willed.Close()
}
