package csv_test

import (
	"bufio"
	stdcsv "encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/sink/csv"
)

// BenchmarkSink appends a checkpoint of 100,000 records to a file, beside encoding/csv with a sync.
func BenchmarkSink(b *testing.B) {
	const records = 100_000
	r := weir.Record[string, reading]{Key: "s1", Value: reading{"Ulm", 21.5}, Millis: 1722945524540, Origin: &weir.Origin{Topic: "readings"}}
	b.Run("bare", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "out.csv"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		buffered := bufio.NewWriterSize(f, 256<<10)
		w := stdcsv.NewWriter(buffered)
		for range b.N {
			for range records {
				if err := w.Write([]string{r.Key, r.Value.City, strconv.FormatFloat(r.Value.Celsius, 'g', -1, 64)}); err != nil {
					b.Fatal(err)
				}
			}
			w.Flush()
			for _, step := range []func() error{w.Error, buffered.Flush, f.Sync} {
				if err := step(); err != nil {
					b.Fatal(err)
				}
			}
		}
		benchtest.PerRecord(b, records)
	})
	b.Run("sink", func(b *testing.B) {
		s := csv.New(filepath.Join(b.TempDir(), "out.csv"), csv.Options[string, reading]{
			Columns: append([]format.Column{{Name: "sensor", Part: format.PartKey}}, format.Fields("city", "celsius")...),
		})
		benchtest.WriteCheckpoints(b, s, r, records)
	})
}
