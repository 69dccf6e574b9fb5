package kafka_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/stream"
)

func TestMain(m *testing.M) {
	kafkatest.ManyAtOnce()
	kafkatest.VerifyTestMain(m)
}

const patience = 60 * time.Second

// within returns a context that ends before a test would seem to hang.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	t.Cleanup(cancel)
	return ctx
}

func logger(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// now is recent enough for no cluster to delete the records.
var now = time.Now().UnixMilli()

func texts(topic string) stream.Topic[string, string] {
	return stream.NewTopic(topic, codec.String(), codec.String())
}

// text is a record with a value and the same key.
func text(value string) weir.Record[string, string] {
	return weir.Record[string, string]{Key: value, Value: value, Millis: now}
}

// there writes a record in a transaction and reads it as a member of a group, so that there are connections of all kinds.
func there(t *testing.T, config kafka.Config, topic, group string) error {
	t.Helper()
	ctx := within(t)
	p, err := kafka.NewProducer(ctx, config, kafka.ProducerOptions{TransactionalID: group})
	if err != nil {
		return err
	}
	if err := errors.Join(p.Send(ctx, texts(topic), text("hello")), p.Commit(ctx), p.Close()); err != nil {
		return err
	}
	got, err := read(t, config, kafka.ConsumerOptions{Topics: []string{topic}, Group: group}, 1)
	if err == nil && got[0] != "hello" {
		t.Errorf("read %q", got)
	}
	return err
}

// read returns the values of the next n records.
func read(t *testing.T, config kafka.Config, options kafka.ConsumerOptions, n int) (values []string, err error) {
	t.Helper()
	ctx := within(t)
	c, err := kafka.NewConsumer(ctx, config, options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	for len(values) < n {
		m, err := c.Poll(ctx, time.Second)
		if err != nil {
			return nil, err
		}
		if m != nil {
			values = append(values, string(m.Value))
		}
	}
	return values, nil
}
