package nats_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/nats"
	"github.com/weirstreams/weir/sink/sinktest"
)

type kitOptions = nats.Options[*string, *string]

func TestTheSinkKeepsThePromisesOfSinks(t *testing.T) {
	for name, once := range map[string]bool{"messages": false, "messages with ids": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			relay := nettest.NewRelay(t, p.url)
			limited := func(c *jetstream.StreamConfig) { c.MaxMsgSize = 100_000 }
			of := func(url, place string) kitOptions {
				o := kitOptions{
					URL: secret.New(url), Subject: p.prefix + place + ".items", Stream: p.prefix + place, Retry: quickly, Timeout: 2 * time.Second, Window: 150,
					Payload: func(r *weir.Record[*string, *string]) ([]byte, error) {
						return json.Marshal(sinktest.OfPointers(r.Key, r.Value))
					},
				}
				if once {
					o.ID = func(r *weir.Record[*string, *string]) (string, error) {
						text, err := o.Payload(r)
						return string(text), err
					}
				}
				return o
			}
			sinktest.Run(t, sinktest.Target[*string, *string]{
				New: func(tb testing.TB, place string) sink.Sink[*string, *string] {
					p.stream(tb, place, limited)
					return nats.New(of("nats://"+relay.Address(), place))
				},
				Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
				Read: func(tb testing.TB, place string) (items []sinktest.Item) {
					for _, m := range p.read(tb, p.prefix+place) {
						var i sinktest.Item
						must(tb, json.Unmarshal(m.Data(), &i))
						items = append(items, i)
					}
					return items
				},
				Idempotent: once, Records: 3000,
				Refused: func() (key, value *string) {
					k, v := "poison", strings.Repeat("x", 200_000)
					return &k, &v
				},
				Push: func(tb testing.TB, place string) func() { // the stream is full, and discards new messages
					limit := func(most int64) {
						s, err := p.js.Stream(context.Background(), p.prefix+place)
						must(tb, err)
						c := s.CachedInfo().Config
						c.MaxMsgs, c.Discard = most, jetstream.DiscardNew
						_, err = p.js.UpdateStream(context.Background(), c)
						must(tb, err)
					}
					limit(1)
					return func() { limit(-1) }
				},
				Break: func(testing.TB, string) func() {
					relay.Refuse(true)
					return func() { relay.Refuse(false) }
				},
				Secrets: []string{password},
				Unreachable: func(testing.TB) sink.Sink[*string, *string] {
					return nats.New(of("nats://user:"+password+"@127.0.0.1:1", "nowhere"))
				},
			})
		})
	}
}
