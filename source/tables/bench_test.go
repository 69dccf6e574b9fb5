package tables_test

import (
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/source/tables"
)

// BenchmarkSource reads 100,000 rows, beside a loop that makes batches of the same records.
func BenchmarkSource(b *testing.B) {
	const records = 100_000
	rows := func(yield func(int64) bool) {
		for i := range int64(records) {
			if !yield(i + 1) {
				return
			}
		}
	}
	b.Run("bare", func(b *testing.B) {
		for range b.N {
			n := 0
			batch := make([]weir.Record[int64, int64], 0, 1000)
			for row := range rows {
				if len(batch) == cap(batch) {
					batch = make([]weir.Record[int64, int64], 0, 1000)
				}
				r, err := atMillis(row)
				if err != nil {
					b.Fatal(err)
				}
				batch = append(batch, r)
				n++
			}
			if n != records {
				b.Fatal(n)
			}
		}
		benchtest.PerRecord(b, records)
	})
	b.Run("source", func(b *testing.B) {
		s := tables.New(rows, tables.Options[int64, int64, int64]{Record: atMillis})
		benchtest.ReadSplit(b, s, records, true)
	})
}
