package pubsub_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/pubsub/pubsubtest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/pubsub"
	"github.com/weirstreams/weir/source/sourcetest"
)

func TestTheSourceKeepsThePromisesOfSources(t *testing.T) {
	s := pubsubtest.New(t)
	of := func(p pubsub.Project, place string) source.Source[*string, *string] {
		return pubsub.New(p, pubsub.Options[*string, *string]{
			Subscription: place,
			Record: func(m pubsub.Message) (r weir.Record[*string, *string], err error) {
				var i sourcetest.Item
				err = json.Unmarshal(m.Data, &i)
				r.Key, r.Value = i.Pointers()
				return r, err
			},
		})
	}
	sourcetest.Run(t, sourcetest.System[*string, *string]{
		New: func(tb testing.TB, place string) source.Source[*string, *string] {
			s.Subscription(tb, place)
			return of(s.Project, place)
		},
		Fill: func(tb testing.TB, place string, items []sourcetest.Item) {
			s.Subscription(tb, place)
			for _, i := range items {
				data, err := json.Marshal(i)
				must(tb, err)
				s.Fake.PublishOrdered(s.Topic(tb, place), data, nil, "one") // so that the items have an order
			}
		},
		Item: func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
		Once: true, Grows: true, Idle: 700 * time.Millisecond, Records: 5000, // less than a window, since the kit acknowledges nothing here
		Acknowledged: func(_ testing.TB, place string) int { return s.Acknowledged(place) },
		Secrets:      []string{"weir-pubsub-secret"},
		Unreachable: func(testing.TB) source.Source[*string, *string] {
			return of(pubsub.Project{ID: "p", Endpoint: "127.0.0.1:1", ServiceAccountKey: secret.New(pubsubtest.Secret), Timeout: time.Second}, "nowhere")
		},
	})
}
