package iceberg_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/weirstreams/weir/internal/gatetest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/iceberg"
	"github.com/weirstreams/weir/sink/sinktest"
)

func TestTheSinkKeepsThePromisesOfSinks(t *testing.T) {
	w := newWarehouse(t)
	gate := gatetest.New(t, w.URI)
	of := func(place iceberg.REST, name string) sink.Sink[*string, *string] {
		return iceberg.New(iceberg.Options[*string, *string]{
			Catalog: place.Open, Table: namespace + "." + name, Retry: quickly, PartitionBy: []string{"bucket(2, _key)"},
		})
	}
	refuse := func(status int) func(tb testing.TB, place string) (end func()) {
		return func(_ testing.TB, place string) (end func()) {
			return gate.Answer("/tables/"+place, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		}
	}
	sinktest.Run(t, sinktest.Target[*string, *string]{
		New: func(_ testing.TB, name string) sink.Sink[*string, *string] {
			near := w.REST
			near.URI = gate.URL
			return of(near, name)
		},
		Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
		Read: func(tb testing.TB, name string) (items []sinktest.Item) {
			for _, text := range w.rows(tb, name) {
				var r struct {
					Key   *string `json:"_key"`
					Value *string `json:"value"`
				}
				must(tb, json.Unmarshal([]byte(text), &r))
				items = append(items, sinktest.OfPointers(r.Key, r.Value))
			}
			return items
		},
		NoNullValues: true,
		Records:      20_000,
		Refused: func() (key, value *string) {
			text := "\xff"
			return &text, &text
		},
		Push:    refuse(http.StatusServiceUnavailable),
		Break:   refuse(http.StatusForbidden),
		Secrets: []string{password, "another-secret"},
		Unreachable: func(testing.TB) sink.Sink[*string, *string] {
			wrong := w.REST
			wrong.Secret = secret.New("another-secret")
			return of(wrong, "nowhere")
		},
	})
}
