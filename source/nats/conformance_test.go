package nats_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/nats"
	"github.com/weirstreams/weir/source/sourcetest"
)

const password = "s3cret-of-the-source"

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
	conn   *client.Conn
	js     jetstream.JetStream
	prefix string
}

func newPlace(tb testing.TB) *place {
	tb.Helper()
	p := &place{url: variable(tb, "WEIR_TEST_NATS"), prefix: fmt.Sprintf("t%d-", time.Now().UnixNano())}
	var err error
	p.conn, err = client.Connect(p.url)
	must(tb, err)
	tb.Cleanup(p.conn.Close)
	p.js, err = jetstream.New(p.conn)
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

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func TestTheSourceKeepsThePromisesOfSources(t *testing.T) {
	p := newPlace(t)
	sourcetest.Run(t, sourcetest.System[*string, *string]{
		New: func(tb testing.TB, place string) source.Source[*string, *string] {
			return nats.New(nats.Options[*string, *string]{
				URL: secret.New(p.url), Stream: p.stream(tb, place, nil),
				Record: func(m nats.Message) (weir.Record[*string, *string], error) {
					var i sourcetest.Item
					err := json.Unmarshal(m.Payload, &i)
					key, value := i.Pointers()
					return weir.Record[*string, *string]{Key: key, Value: value, KeyNull: key == nil, ValueNull: value == nil}, err
				},
			})
		},
		Fill: func(tb testing.TB, place string, items []sourcetest.Item) {
			name := p.stream(tb, place, nil)
			for _, i := range items {
				data, err := json.Marshal(i)
				must(tb, err)
				_, err = p.js.PublishAsync(name+".items", data, jetstream.WithStallWait(10*time.Second))
				must(tb, err)
			}
			<-p.js.PublishAsyncComplete()
		},
		Item:  func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
		Grows: true, Records: 5000, Idle: 300 * time.Millisecond,
		Secrets: []string{password},
		Unreachable: func(testing.TB) source.Source[*string, *string] {
			return nats.New(nats.Options[*string, *string]{URL: secret.New("nats://user:" + password + "@127.0.0.1:1"), Stream: "s"})
		},
	})
}
