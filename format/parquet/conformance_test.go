package parquet_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format/parquet"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/sink"
	sinkfile "github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/sinktest"
	"github.com/weirstreams/weir/source"
	sourcefile "github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/source/sourcetest"
)

// texts is the format under test: a column of keys and one of values, which both may be null.
var texts = parquet.Format[*string, *string]{}

func TestFilesOfParquetKeepThePromisesOfSinks(t *testing.T) {
	root := t.TempDir()
	sinktest.Run(t, sinktest.Target[*string, *string]{
		New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
			return sinkfile.New(filepath.Join(root, place), sinkfile.Options[*string, *string]{Format: texts, MaxFileRecords: 15_000})
		},
		Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
		Read: func(tb testing.TB, place string) (items []sinktest.Item) {
			_, records := filetest.ReadAll(tb, filepath.Join(root, place), texts)
			for _, r := range records {
				items = append(items, sinktest.OfPointers(r.Key, r.Value))
			}
			return items
		},
		Records: 40_000,
	})
}

func TestFilesOfParquetKeepThePromisesOfSources(t *testing.T) {
	root := t.TempDir()
	files := 0
	sourcetest.Run(t, sourcetest.System[*string, *string]{
		New: func(tb testing.TB, place string) source.Source[*string, *string] {
			if err := os.MkdirAll(filepath.Join(root, place), 0o755); err != nil {
				tb.Fatal(err)
			}
			return sourcefile.New(filepath.Join(root, place), sourcefile.Options[*string, *string]{Format: texts, BatchRecords: 100})
		},
		Fill: func(tb testing.TB, place string, items []sourcetest.Item) {
			for len(items) > 0 {
				n := min(300, len(items))
				files++
				path := filepath.Join(root, place, fmt.Sprintf("%06d.parquet", files))
				filetest.WriteFile(tb, path, filetest.Encode(tb, path, texts, filetest.RecordsOf(items[:n])...))
				items = items[n:]
			}
		},
		Item:    func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
		Bounded: true,
		Records: 5000,
	})
}
