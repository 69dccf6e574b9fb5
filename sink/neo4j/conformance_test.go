package neo4j_test

import (
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/neo4j"
	"github.com/weirstreams/weir/sink/sinktest"
)

type kitOptions = neo4j.Options[*string, *string]

const poison = "poison"

// kitValue is an item as properties. The poison has a map as one of them, which no node takes.
func kitValue(r *weir.Record[*string, *string]) (any, error) {
	i := sinktest.OfPointers(r.Key, r.Value)
	value := map[string]any{"key": i.Key, "value": i.Value, "nullKey": i.NullKey, "nullValue": i.NullValue}
	if i.Key == poison {
		value["value"] = map[string]any{"a": 1}
	}
	return value, nil
}

func TestTheSinkKeepsThePromisesOfSinks(t *testing.T) {
	for name, c := range map[string]struct {
		query      string
		idempotent bool
		noNullKeys bool
	}{
		"nodes":   {"", true, true},
		"origins": {"MERGE (n:LABEL {origin: __origin}) SET n += event", false, false}, // the kit gives records that are processed again other offsets
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			relay := nettest.NewRelay(t, p.address)
			label := func(place string) string { return p.label + " " + place }
			of := func(address, place string) kitOptions {
				o := optionsOf[*string, *string](p, label(place))
				if c.query != "" {
					o.Label, o.Query = "", replaceLabel(c.query, label(place))
					o.Unique = []neo4j.Unique{{Label: label(place), Property: "origin"}}
				}
				o.URI, o.Value, o.MaxRecords = "bolt://"+address, kitValue, 150
				return o
			}
			sinktest.Run(t, sinktest.Target[*string, *string]{
				New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
					return neo4j.New(of(relay.Address(), place))
				},
				Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
				Read: func(tb testing.TB, place string) (items []sinktest.Item) {
					for _, r := range p.ask(tb, "MATCH (n:"+neo4j.Quote(label(place))+") RETURN n.key, n.value, n.nullKey, n.nullValue", nil) {
						items = append(items, sinktest.Item{Key: r[0].(string), Value: r[1].(string), NullKey: r[2].(bool), NullValue: r[3].(bool)})
					}
					return items
				},
				Idempotent: c.idempotent, NoNullKeys: c.noNullKeys, Records: 400,
				Refused: func() (key, value *string) {
					k, v := poison, "value"
					return &k, &v
				},
				Push: func(testing.TB, string) func() {
					relay.Refuse(true)
					return func() { relay.Refuse(false) }
				},
				Break: func(testing.TB, string) func() {
					relay.Refuse(true)
					return func() { relay.Refuse(false) }
				},
				Secrets: []string{p.password, "s3cret-of-nobody"},
				Unreachable: func(testing.TB) sink.Sink[*string, *string] {
					o := of("127.0.0.1:1", "nowhere")
					o.Timeout, o.Password = 100*time.Millisecond, secret.New("s3cret-of-nobody")
					return neo4j.New(o)
				},
			})
		})
	}
}
