package nats_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/nats"
)

const password = "s3cret-of-the-sink"

// quickly are attempts for tests.
var quickly = weir.Retry{Attempts: 2, FirstWait: time.Millisecond}

func variable(tb testing.TB, name string) string {
	tb.Helper()
	value := os.Getenv(name)
	if value == "" {
		tb.Skip("needs a NATS server: go run github.com/weirstreams/weir/internal/testserver nats -- go test")
	}
	return value
}

// place is a server for a test, with a prefix of its streams and subjects.
type place struct {
	url    string
	js     jetstream.JetStream
	prefix string
}

var places atomic.Int64

func newPlace(tb testing.TB) *place {
	tb.Helper()
	p := &place{url: variable(tb, "WEIR_TEST_NATS"), prefix: fmt.Sprintf("t%d-%d-", time.Now().UnixNano(), places.Add(1))}
	conn, err := client.Connect(p.url)
	must(tb, err)
	tb.Cleanup(conn.Close)
	p.js, err = jetstream.New(conn)
	must(tb, err)
	return p
}

// stream makes a stream in memory that takes the subjects below its name, for the time of the test, unless it is there.
func (p *place) stream(tb testing.TB, name string, set func(c *jetstream.StreamConfig)) string {
	tb.Helper()
	name = p.prefix + name
	c := jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}, Storage: jetstream.MemoryStorage}
	if set != nil {
		set(&c)
	}
	_, err := p.js.CreateStream(context.Background(), c)
	must(tb, err)
	tb.Cleanup(func() {
		if err := p.js.DeleteStream(context.Background(), name); !errors.Is(err, jetstream.ErrStreamNotFound) {
			must(tb, err)
		}
	})
	return name
}

// read returns the messages of a stream, in order.
func (p *place) read(tb testing.TB, stream string) (all []jetstream.Msg) {
	tb.Helper()
	ctx := context.Background()
	info, err := p.js.Stream(ctx, stream)
	must(tb, err)
	state, err := info.Info(ctx)
	must(tb, err)
	consumer, err := p.js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
	must(tb, err)
	for want := int(state.State.Msgs); len(all) < want; {
		batch, err := consumer.Fetch(want-len(all), jetstream.FetchMaxWait(5*time.Second))
		must(tb, err)
		before := len(all)
		for m := range batch.Messages() {
			all = append(all, m)
		}
		must(tb, batch.Error())
		if len(all) == before {
			tb.Fatalf("%d of %d messages of %s", len(all), want, stream)
		}
	}
	return all
}

// texts returns subjects, without the stream, and payloads.
func (p *place) texts(tb testing.TB, stream string) (all []string) {
	tb.Helper()
	for _, m := range p.read(tb, stream) {
		all = append(all, m.Subject()[len(stream)+1:]+": "+string(m.Data()))
	}
	return all
}

// task is a sink with a writer.
type task[K, V any] struct {
	tb     testing.TB
	writer sink.Writer[K, V]
	offset int64
	id     int64
}

func open[K, V any](tb testing.TB, o nats.Options[K, V]) *task[K, V] {
	tb.Helper()
	s := nats.New(o)
	must(tb, s.Connect(tb.Context()))
	tb.Cleanup(func() { must(tb, s.Close(context.Background())) })
	w, err := s.Writer(tb.Context(), sink.Task{Application: "app", Sink: "messages", Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	must(tb, err)
	tb.Cleanup(func() { must(tb, w.Close()) })
	return &task[K, V]{tb: tb, writer: w}
}

func (t *task[K, V]) add(key K, value V) error {
	return t.addRecord(weir.Record[K, V]{Key: key, Value: value})
}

// addRecord adds a record with the next offset.
func (t *task[K, V]) addRecord(r weir.Record[K, V]) error {
	r.Millis, r.Origin = 1767225600000+t.offset, &weir.Origin{Topic: "input", Offset: t.offset}
	t.offset++
	return t.writer.Add(t.tb.Context(), &r)
}

func (t *task[K, V]) flush() error {
	t.id++
	return t.writer.Flush(t.tb.Context(), sink.Checkpoint{ID: t.id})
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

type options = nats.Options[string, string]

func to(p *place, stream string) options {
	return options{URL: secret.New(p.url), Prefix: stream + ".", Stream: stream, Retry: quickly, Timeout: 5 * time.Second}
}
