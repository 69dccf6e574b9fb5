package tdengine_test

import (
	"encoding/json"
	nethttp "net/http"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
	"github.com/weirstreams/weir/sink/sinktest"
	"github.com/weirstreams/weir/sink/tdengine"
)

// kitPoint is an item as a point, and the poison as one whose field has another type than in all others.
func kitPoint(r *weir.Record[*string, *string]) (tdengine.Point, error) {
	item := sinktest.OfPointers(r.Key, r.Value)
	text, err := json.Marshal(item)
	p := tdengine.Point{Measurement: "items", Tags: map[string]string{"item": string(text)}, Fields: row.New(row.F("n", 1))}
	if item.Key == "poison" {
		p.Fields = row.New(row.F("n", "text"))
	}
	return p, err
}

func TestTheSinkKeepsThePromisesOfSinks(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	of := func(place string) tdengine.Options[*string, *string] {
		return tdengine.Options[*string, *string]{Database: place, CreateDatabase: true, Point: kitPoint, Retry: quickly, Auth: login}
	}
	sinktest.Run(t, sinktest.Target[*string, *string]{
		New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
			return tdengine.New(server.URL, of(place))
		},
		Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
		Read: func(tb testing.TB, place string) (items []sinktest.Item) {
			for _, p := range server.Points(place) {
				var i sinktest.Item
				influxtest.Must(tb, json.Unmarshal([]byte(p.Tags["item"]), &i))
				items = append(items, i)
			}
			return items
		},
		Idempotent: true, Records: 20_000,
		Refused: func() (key, value *string) {
			k, v := "poison", "value"
			return &k, &v
		},
		Push: func(testing.TB, string) func() {
			return server.During(influxtest.Status(nethttp.StatusServiceUnavailable, "Retry-After", "7"))
		},
		Break:   func(testing.TB, string) func() { return server.During(failure("[0x357] Authentication failure")) },
		Secrets: []string{password},
		Unreachable: func(testing.TB) sink.Sink[*string, *string] {
			return tdengine.New("http://127.0.0.1:1", of("nowhere"))
		},
	})
}
