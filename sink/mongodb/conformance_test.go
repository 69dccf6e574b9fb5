package mongodb_test

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/mongodb"
	"github.com/weirstreams/weir/sink/sinktest"
)

type kitOptions = mongodb.Options[*string, *string]

// kitDocument is an item as a document. The poison has a text where others have none, in an index that is unique.
func kitDocument(r *weir.Record[*string, *string]) (any, error) {
	i := sinktest.OfPointers(r.Key, r.Value)
	d := bson.D{{Key: "item", Value: i}}
	if i.Key == poison {
		d = append(d, bson.E{Key: "unique", Value: "taken"})
	}
	return d, nil
}

const poison = "poison"

func TestTheSinkKeepsThePromisesOfSinks(t *testing.T) {
	for name, c := range map[string]struct {
		set        func(o *kitOptions)
		idempotent bool
		noNullKeys bool
	}{
		"replaced":  {func(*kitOptions) {}, true, false},
		"unordered": {func(o *kitOptions) { o.Unordered = true }, true, false},
		"merged":    {func(o *kitOptions) { o.Mode = mongodb.Merge }, true, true},
		"inserted":  {func(o *kitOptions) { o.Mode = mongodb.Insert }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			g := newGate(t, p.address)
			of := func(address, place string) kitOptions {
				o := optionsOf[*string, *string](p, place)
				o.URI = secret.New("mongodb://" + address + "/?directConnection=true&maxIdleTimeMS=1000")
				o.Document, o.MaxRecords = kitDocument, 150
				c.set(&o)
				return o
			}
			sinktest.Run(t, sinktest.Target[*string, *string]{
				New: func(tb testing.TB, place string) sink.Sink[*string, *string] {
					p.takeUnique(tb, place)
					return mongodb.New(of(g.address, place))
				},
				Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
				Read: func(tb testing.TB, place string) (items []sinktest.Item) {
					for _, d := range p.find(tb, place) {
						var got struct {
							Item *sinktest.Item `bson:"item"`
						}
						if must(tb, bson.Unmarshal(d, &got)); got.Item != nil {
							items = append(items, *got.Item)
						}
					}
					return items
				},
				Idempotent: c.idempotent, NoNullKeys: c.noNullKeys, Records: 1000,
				Refused: func() (key, value *string) {
					k, v := poison, "value"
					return &k, &v
				},
				Push: func(testing.TB, string) func() {
					return both(g.answer("update", fails(10107, "NotWritablePrimary")), g.answer("insert", fails(91, "ShutdownInProgress")))
				},
				Break: func(testing.TB, string) func() {
					return both(g.answer("update", breaks), g.answer("insert", breaks))
				},
				Secrets: []string{password},
				Unreachable: func(testing.TB) sink.Sink[*string, *string] {
					o := of("user:"+password+"@127.0.0.1:1", "nowhere")
					o.Timeout = 100 * time.Millisecond
					return mongodb.New(o)
				},
			})
		})
	}
}

func both(ends ...func()) func() {
	return func() {
		for _, end := range ends {
			end()
		}
	}
}
