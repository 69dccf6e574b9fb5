package clickhouse_test

import (
	nethttp "net/http"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/clickhouse"
	"github.com/weirstreams/weir/sink/sinktest"
)

// kitRow is an item as a row, and the poison as one whose column has another type.
func kitRow(r *weir.Record[*string, *string]) (row.Row, error) {
	item := sinktest.OfPointers(r.Key, r.Value)
	if item.Key == "poison" {
		return row.New(row.F("n", "text")), nil
	}
	made := row.New(row.F("n", 1))
	if r.Key != nil {
		made = made.With("key", *r.Key)
	}
	if r.Value != nil {
		made = made.With("value", *r.Value)
	}
	return made, nil
}

func TestTheSinkKeepsThePromisesOfSinks(t *testing.T) {
	for name, compressed := range map[string]bool{"plain": false, "compressed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newFake(t)
			of := func(place string) clickhouse.Options[*string, *string] {
				return clickhouse.Options[*string, *string]{Table: place, Row: kitRow, Retry: quickly, Auth: login, Gzip: compressed, MaxRecords: 1000}
			}
			sinktest.Run(t, sinktest.Target[*string, *string]{
				New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
					if server.tables["`default`.`"+place+"`"] == nil {
						server.create(place, map[string]string{"n": "Int64", "key": "String", "value": "String"})
					}
					return clickhouse.New(server.URL, of(place))
				},
				Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
				Read: func(_ testing.TB, place string) (items []sinktest.Item) {
					text := func(value any) *string {
						if text, ok := value.(string); ok {
							return &text
						}
						return nil
					}
					for _, r := range server.rows(place) {
						items = append(items, sinktest.OfPointers(text(r["key"]), text(r["value"])))
					}
					return items
				},
				Records: 20_000,
				Refused: func() (key, value *string) {
					k, v := "poison", "value"
					return &k, &v
				},
				Push: func(testing.TB, string) func() {
					return server.during(exception(nethttp.StatusInternalServerError, 252, "Too many parts"))
				},
				Break: func(testing.TB, string) func() {
					return server.during(exception(nethttp.StatusForbidden, 497, "Not enough privileges"))
				},
				Secrets: []string{password},
				Unreachable: func(testing.TB) sink.Sink[*string, *string] {
					return clickhouse.New("http://127.0.0.1:1", of("nowhere"))
				},
			})
		})
	}
}
