package iceberg_test

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	client "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink/iceberg"
)

const benchRecords = 100_000

// BenchmarkSink appends a checkpoint of 100,000 records, beside the same rows that iceberg-go alone appends by one snapshot.
func BenchmarkSink(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		w := newWarehouse(b)
		schema := client.NewSchema(
			0, client.NestedField{ID: 1, Name: "_timestamp", Type: client.PrimitiveTypes.TimestampTz}, client.NestedField{ID: 2, Name: "_key", Type: client.PrimitiveTypes.String},
			client.NestedField{ID: 3, Name: "country", Type: client.PrimitiveTypes.String}, client.NestedField{ID: 4, Name: "total", Type: client.PrimitiveTypes.Float64},
		)
		t, err := w.catalog.CreateTable(b.Context(), table.Identifier{namespace, "bare"}, schema)
		must(b, err)
		to, err := table.SchemaToArrowSchema(schema, nil, true, false)
		must(b, err)
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			rows := array.NewRecordBuilder(memory.DefaultAllocator, to)
			for i := range benchRecords {
				rows.Field(0).(*array.TimestampBuilder).Append(arrow.Timestamp(1722945524540000 + i))
				rows.Field(1).(*array.StringBuilder).Append("a1")
				rows.Field(2).(*array.StringBuilder).Append("DE")
				rows.Field(3).(*array.Float64Builder).Append(19.99)
			}
			reader, err := array.NewRecordReader(to, []arrow.RecordBatch{rows.NewRecordBatch()})
			must(b, err)
			t, err = t.Append(b.Context(), reader, nil)
			must(b, err)
		}
		benchtest.PerRecord(b, benchRecords)
	})
	b.Run("sink", func(b *testing.B) {
		w := newWarehouse(b)
		s := iceberg.New(iceberg.Options[string, row.Row]{Catalog: w.Open, Table: namespace + ".orders"})
		r := weir.Record[string, row.Row]{
			Key: "a1", Value: row.New(row.F("country", "DE"), row.F("total", 19.99)), Millis: 1722945524540, Origin: &weir.Origin{Topic: "orders"},
		}
		benchtest.WriteCheckpoints(b, s, r, benchRecords)
	})
}
