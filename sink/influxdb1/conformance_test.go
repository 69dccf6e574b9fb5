package influxdb1_test

import (
	"encoding/base64"
	"encoding/json"
	nethttp "net/http"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/influxdb1"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
	"github.com/weirstreams/weir/sink/sinktest"
)

// kitPoint is an item as a point, and the poison as one whose field has another type than in all others.
func kitPoint(r *weir.Record[*string, *string]) (influxdb1.Point, error) {
	item := sinktest.OfPointers(r.Key, r.Value)
	text, err := json.Marshal(item)
	p := influxdb1.Point{Measurement: "items", Tags: map[string]string{"item": base64.RawURLEncoding.EncodeToString(text)}, Fields: row.New(row.F("n", 1))}
	if item.Key == "poison" {
		p.Fields = row.New(row.F("n", "a text, and a number in all others"))
	}
	return p, err
}

func TestTheSinkKeepsThePromisesOfSinks(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	of := func(place string) influxdb1.Options[*string, *string] {
		return influxdb1.Options[*string, *string]{Database: e.prefix + place, CreateDatabase: true, Point: kitPoint, Retry: quickly, Auth: login, Gzip: true}
	}
	sinktest.Run(t, sinktest.Target[*string, *string]{
		New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
			return influxdb1.New(e.gate.URL, of(place))
		},
		Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
		Read: func(tb testing.TB, place string) (items []sinktest.Item) {
			for _, s := range e.query(tb, e.prefix+place, `SELECT * FROM "items" GROUP BY "item"`) {
				text, err := base64.RawURLEncoding.DecodeString(s.Tags["item"])
				influxtest.Must(tb, err)
				var i sinktest.Item
				influxtest.Must(tb, json.Unmarshal(text, &i))
				items = append(items, i)
			}
			return items
		},
		Idempotent: true, Records: 6000,
		Refused: func() (key, value *string) {
			k, v := "poison", "value"
			return &k, &v
		},
		Push: func(testing.TB, string) func() {
			return e.gate.Answer("/write", influxtest.Status(nethttp.StatusServiceUnavailable, "Retry-After", "7"))
		},
		Break: func(testing.TB, string) func() {
			return e.gate.Answer("/write", influxtest.Status(nethttp.StatusUnauthorized))
		},
		Secrets: []string{password},
		Unreachable: func(testing.TB) sink.Sink[*string, *string] {
			return influxdb1.New("http://127.0.0.1:1", of("nowhere"))
		},
	})
}
