package file_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/sink/file"
)

// BenchmarkSink writes a checkpoint of 100,000 records, beside the same lines through a bufio.Writer with a sync and a rename.
func BenchmarkSink(b *testing.B) {
	const records = 100_000
	r := weir.Record[string, order]{Key: "a1", Value: order{"DE", 19.99}, Millis: 1722945524540, Origin: &weir.Origin{Topic: "orders"}}
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
		benchtest.PerRecord(b, records)
	})
	for _, c := range []format.Compression{format.Uncompressed, format.Gzip, format.Zstd} {
		b.Run("sink"+c.Extension(), func(b *testing.B) {
			benchtest.WriteCheckpoints(b, file.New(b.TempDir(), file.Options[string, order]{Compression: c}), r, records)
		})
	}
}
