package pubsub_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/internal/pubsub/pubsubtest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/pubsub"
	"github.com/weirstreams/weir/sink/sinktest"
)

func TestTheSinkKeepsThePromisesOfSinks(t *testing.T) {
	for name, ordered := range map[string]bool{"messages": false, "messages with ordering keys": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pubsubtest.New(t)
			relay := nettest.NewRelay(t, s.Fake.Addr)
			near := s.Project
			near.Endpoint, near.Timeout = relay.Address(), 5*time.Second
			of := func(p pubsub.Project, place string) sink.Sink[*string, *string] {
				return pubsub.New(p, pubsub.Options[*string, *string]{
					Topic: place, Ordered: ordered, Retry: quickly,
					Payload: func(r *weir.Record[*string, *string]) ([]byte, error) {
						return json.Marshal(sinktest.OfPointers(r.Key, r.Value))
					},
				})
			}
			sinktest.Run(t, sinktest.Target[*string, *string]{
				New: func(tb testing.TB, place string) sink.Sink[*string, *string] {
					s.Topic(tb, place)
					return of(near, place)
				},
				Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
				Read: func(tb testing.TB, place string) (items []sinktest.Item) {
					for _, m := range s.Messages(place) {
						var i sinktest.Item
						must(tb, json.Unmarshal(m.Data, &i))
						items = append(items, i)
					}
					return items
				},
				Records: 3000,
				Refused: func() (key, value *string) {
					k, v := "poison", strings.Repeat("x", maxMessage)
					return &k, &v
				},
				Push: func(testing.TB, string) func() {
					s.FailWith("Publish", codes.ResourceExhausted)
					return func() { s.Fail(nil) }
				},
				Break: func(testing.TB, string) func() {
					relay.Refuse(true)
					return func() { relay.Refuse(false) }
				},
				Secrets: []string{"weir-pubsub-secret"},
				Unreachable: func(testing.TB) sink.Sink[*string, *string] {
					return of(pubsub.Project{ID: "p", Endpoint: "127.0.0.1:1", ServiceAccountKey: secret.New(pubsubtest.Secret), Timeout: time.Second}, "nowhere")
				},
			})
		})
	}
}

const maxMessage = 10_000_000 // bytes
