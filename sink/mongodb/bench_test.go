package mongodb_test

import (
	"context"
	"strconv"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/weirstreams/weir/sink/mongodb"
)

// BenchmarkSink compares the sink with the driver alone, which makes the same bulk writes of 1,000 documents, and with the sink's own work against a server that only
// acknowledges. One operation is one document.
func BenchmarkSink(b *testing.B) {
	const bulk = 1000
	value := func(i int) order { return order{"DE", float64(i) / 7} }
	key := func(i int) string { return "order-" + strconv.Itoa(i%10_000) }
	bare := func(b *testing.B, c *mongo.Collection) {
		b.ReportAllocs()
		models := make([]mongo.WriteModel, 0, bulk)
		for i := range b.N {
			models = append(models, mongo.NewReplaceOneModel().SetFilter(bson.D{{Key: "_id", Value: key(i)}}).SetReplacement(value(i)).SetUpsert(true))
			if len(models) == bulk || i == b.N-1 {
				_, err := c.BulkWrite(context.Background(), models)
				must(b, err)
				models = models[:0]
			}
		}
	}
	sink := func(b *testing.B, o mongodb.Options[string, order]) {
		w := open(b, o)
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			must(b, w.add(key(i), value(i)))
			if w.writer.Full() {
				must(b, w.flush())
			}
		}
		must(b, w.flush())
	}
	b.Run("driver", func(b *testing.B) { bare(b, newPlace(b).database.Collection("bench")) })
	b.Run("sink", func(b *testing.B) { sink(b, optionsOf[string, order](newPlace(b), "bench")) })
	p := newPlace(b)
	acknowledging := &place{newGate(b, "").address, p.database}
	b.Run("driver, acknowledged", func(b *testing.B) {
		client, err := mongo.Connect(clientOptions(acknowledging.address))
		must(b, err)
		defer func() { must(b, client.Disconnect(context.Background())) }()
		bare(b, client.Database("bench").Collection("bench"))
	})
	b.Run("sink, acknowledged", func(b *testing.B) { sink(b, optionsOf[string, order](acknowledging, "bench")) })
}
