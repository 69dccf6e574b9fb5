package file_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
)

// BenchmarkSink writes a checkpoint of 100,000 records, beside the same lines through a bufio.Writer with a sync and a rename.
func BenchmarkSink(b *testing.B) {
	const records = 100_000
	r := weir.Record[string, order]{Key: "a1", Value: order{"DE", 19.99}, Millis: 1722945524540, Origin: &weir.Origin{Topic: "orders"}}
	per := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
	}
	b.Run("bare", func(b *testing.B) {
		dir := b.TempDir()
		for i := range b.N {
			f, err := os.Create(filepath.Join(dir, ".new"))
			if err != nil {
				b.Fatal(err)
			}
			w := bufio.NewWriterSize(f, 256<<10)
			e := format.JSONLines[string, order]{}.NewEncoder(w)
			for range records {
				if err := e.Encode(&r); err != nil {
					b.Fatal(err)
				}
			}
			for _, step := range []func() error{w.Flush, f.Sync, f.Close, func() error { return os.Rename(f.Name(), filepath.Join(dir, fmt.Sprint(i))) }} {
				if err := step(); err != nil {
					b.Fatal(err)
				}
			}
		}
		per(b)
	})
	for _, c := range []format.Compression{format.Uncompressed, format.Gzip, format.Zstd} {
		b.Run("sink"+c.Extension(), func(b *testing.B) {
			s := file.New(b.TempDir(), file.Options[string, order]{Compression: c})
			w, err := s.TwoPhaseWriter(b.Context(), sink.Task{Logger: slog.New(slog.DiscardHandler), Now: time.Now})
			if err != nil {
				b.Fatal(err)
			}
			defer w.Close()
			if err := w.Recover(b.Context(), epoch, nil); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
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
}
