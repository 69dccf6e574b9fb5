package neo4j_test

import (
	"context"
	"strconv"
	"testing"

	driver "github.com/neo4j/neo4j-go-driver/v5/neo4j"

	"github.com/weirstreams/weir/sink/neo4j"
)

// BenchmarkSink compares the sink with the driver alone, which runs the same statement with 1,000 records in a transaction. One operation is one node.
func BenchmarkSink(b *testing.B) {
	const batch = 1000
	value := func(i int) person { return person{"Ada", i} }
	key := func(i int) string { return "person-" + strconv.Itoa(i%10_000) }
	prepare := func(b *testing.B) (*place, neo4j.Options[string, person]) {
		p := newPlace(b)
		o := optionsOf[string, person](p, p.label)
		must(b, open(b, o).flush())
		b.ReportAllocs()
		return p, o
	}
	b.Run("driver", func(b *testing.B) {
		p, _ := prepare(b)
		query := "UNWIND $records AS record MERGE (n:" + neo4j.Quote(p.label) + " {id: record.key}) SET n = record.value SET n.id = record.key"
		ctx := context.Background()
		records := []any{}
		b.ResetTimer()
		for i := range b.N {
			records = append(records, map[string]any{"key": key(i), "value": map[string]any{"name": value(i).Name, "age": value(i).Age}})
			if len(records) == batch || i == b.N-1 {
				session := p.driver.NewSession(ctx, driver.SessionConfig{})
				_, err := session.ExecuteWrite(ctx, func(tx driver.ManagedTransaction) (any, error) {
					result, err := tx.Run(ctx, query, map[string]any{"records": records})
					if err != nil {
						return nil, err
					}
					return result.Consume(ctx)
				})
				must(b, err)
				must(b, session.Close(ctx))
				records = records[:0]
			}
		}
	})
	b.Run("sink", func(b *testing.B) {
		_, o := prepare(b)
		w := open(b, o)
		b.ResetTimer()
		for i := range b.N {
			must(b, w.add(key(i), value(i)))
			if w.writer.Full() {
				must(b, w.flush())
			}
		}
		must(b, w.flush())
	})
}
