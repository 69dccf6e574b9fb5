package parquet_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format/parquet"
	"github.com/weirstreams/weir/internal/benchtest"
	sinkfile "github.com/weirstreams/weir/sink/file"
	sourcefile "github.com/weirstreams/weir/source/file"
)

// trade is a value, and entry the row of the client with the same columns as the format writes for it.
type trade struct {
	Country string  `json:"country"`
	Price   float64 `json:"price"`
	Amount  int64   `json:"amount"`
}

type entry struct {
	Timestamp int64   `parquet:"_timestamp"`
	Key       *string `parquet:"_key,optional"`
	Amount    int64   `parquet:"amount,optional"`
	Country   string  `parquet:"country,optional"`
	Price     float64 `parquet:"price,optional"`
}

const benchRecords = 100_000

func tradeOf(i int) trade {
	return trade{[]string{"DE", "FR", "IT"}[i%3], float64(i%1000) / 4, int64(i)}
}

// entries are rows that the client writes at a time.
const entries = 1000

// writeEntries writes a file with the client alone.
func writeEntries(b *testing.B, path string) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := pq.NewGenericWriter[entry](f, pq.Compression(&pq.Snappy))
	key := "a1"
	rows := make([]entry, entries)
	for n := 0; n < benchRecords; n += entries {
		for i := range rows {
			v := tradeOf(n + i)
			rows[i] = entry{1722945524540, &key, v.Amount, v.Country, v.Price}
		}
		if _, err := w.Write(rows); err != nil {
			b.Fatal(err)
		}
	}
	for _, step := range []func() error{w.Close, f.Sync, f.Close} {
		if err := step(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSink writes a checkpoint of 100,000 records of four columns and a key, beside a GenericWriter of parquet-go with a sync.
func BenchmarkSink(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		dir := b.TempDir()
		for i := range b.N {
			writeEntries(b, filepath.Join(dir, fmt.Sprint(i)))
		}
		benchtest.PerRecord(b, benchRecords)
	})
	b.Run("sink", func(b *testing.B) {
		r := weir.Record[string, trade]{Key: "a1", Millis: 1722945524540, Origin: &weir.Origin{Topic: "trades"}}
		to := sinkfile.New(b.TempDir(), sinkfile.Options[string, trade]{Format: parquet.Format[string, trade]{}})
		n := 0
		benchtest.WriteCheckpointsOf(b, to, &r, benchRecords, func() { r.Value = tradeOf(n % benchRecords); n++ })
	})
}

// BenchmarkSource reads a file of 100,000 records, beside a GenericReader of parquet-go.
func BenchmarkSource(b *testing.B) {
	path := filepath.Join(b.TempDir(), "in.parquet")
	writeEntries(b, path)
	b.Run("bare", func(b *testing.B) {
		for range b.N {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			r := pq.NewGenericReader[entry](f)
			rows := make([]entry, entries)
			total := 0
			for {
				n, err := r.Read(rows)
				total += n
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			if err := errors.Join(r.Close(), f.Close()); err != nil || total != benchRecords {
				b.Fatal(total, err)
			}
		}
		benchtest.PerRecord(b, benchRecords)
	})
	b.Run("source", func(b *testing.B) {
		benchtest.ReadSplit(b, sourcefile.New(path, sourcefile.Options[string, trade]{Format: parquet.Format[string, trade]{}}), benchRecords, true)
	})
}
