package csv_test

import (
	"bufio"
	stdcsv "encoding/csv"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/csv"
)

// BenchmarkSink appends a checkpoint of 100,000 records to a file, beside encoding/csv with a sync.
func BenchmarkSink(b *testing.B) {
	const records = 100_000
	r := weir.Record[string, reading]{Key: "s1", Value: reading{"Ulm", 21.5}, Millis: 1722945524540, Origin: &weir.Origin{Topic: "readings"}}
	per := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
	}
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
		per(b)
	})
	b.Run("sink", func(b *testing.B) {
		s := csv.New(filepath.Join(b.TempDir(), "out.csv"), csv.Options[string, reading]{
			Columns: append([]format.Column{{Name: "sensor", Part: format.PartKey}}, format.Fields("city", "celsius")...),
		})
		if err := s.Connect(b.Context()); err != nil {
			b.Fatal(err)
		}
		w, err := s.TwoPhaseWriter(b.Context(), sink.Task{Application: "app", Sink: "csv", Logger: slog.New(slog.DiscardHandler), Now: time.Now})
		if err != nil {
			b.Fatal(err)
		}
		defer w.Close()
		if err := w.Recover(b.Context(), epoch, nil); err != nil {
			b.Fatal(err)
		}
		for i := range b.N {
			for range records {
				r.Origin.Offset++
				if err := w.Add(b.Context(), &r); err != nil {
					b.Fatal(err)
				}
			}
			token, err := w.Prepare(b.Context(), sink.Checkpoint{ID: int64(i + 1), Epoch: epoch})
			if err == nil {
				err = w.Commit(b.Context(), token)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		per(b)
	})
}
