package file_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/source/sourcetest"
)

// write writes a file with records, as a sink does: whole, under a hidden name, and renamed.
func write[K, V any](tb testing.TB, path string, f format.Format[K, V], records ...weir.Record[K, V]) {
	tb.Helper()
	var content bytes.Buffer
	stream, err := format.CompressionOf(path).NewWriter(&content)
	if err != nil {
		tb.Fatal(err)
	}
	e := f.NewEncoder(stream)
	for i := range records {
		if records[i].Origin == nil {
			records[i].Origin = &weir.Origin{}
		}
		if err := e.Encode(&records[i]); err != nil {
			tb.Fatal(err)
		}
	}
	for _, end := range []io.Closer{e, stream} {
		if err := end.Close(); err != nil {
			tb.Fatal(err)
		}
	}
	put(tb, path, content.String())
}

// put writes a file at once.
func put(tb testing.TB, path, content string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	hidden := filepath.Join(filepath.Dir(path), ".new")
	if err := os.WriteFile(hidden, []byte(content), 0o644); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(hidden, path); err != nil {
		tb.Fatal(err)
	}
}

func TestTheSourceKeepsItsPromises(t *testing.T) {
	type options = file.Options[*string, *string]
	csv := format.CSV[*string, *string]{Columns: format.RecordColumns()}
	for name, c := range map[string]struct {
		options
		ending  string
		perFile int
		parts   bool
	}{
		"one sequence of JSON lines":            {options{BatchRecords: 7}, ".jsonl", 40, false},
		"watched, in gzip":                      {options{Watch: true}, ".jsonl.gz", 30, false},
		"CSV in zstd, folders at the same time": {options{Format: csv, Order: file.ByFolder, BatchRecords: 100}, ".csv.zst", 50, true},
		"independent files":                     {options{Order: file.Independent}, ".jsonl", 33, true},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			files := 0
			sourcetest.Run(t, sourcetest.System[*string, *string]{
				New: func(tb testing.TB, place string) source.Source[*string, *string] {
					if err := os.MkdirAll(filepath.Join(root, place), 0o755); err != nil {
						tb.Fatal(err)
					}
					return file.New(filepath.Join(root, place), c.options)
				},
				Fill: func(tb testing.TB, place string, items []sourcetest.Item) {
					f := c.Format
					if f == nil {
						f = format.JSONLines[*string, *string]{}
					}
					for len(items) > 0 {
						n := min(c.perFile, len(items))
						if len(items) > 5000 {
							n = 4000
						}
						var records []weir.Record[*string, *string]
						for _, i := range items[:n] {
							r := weir.Record[*string, *string]{Millis: 1}
							r.Key, r.Value = i.Pointers()
							r.KeyNull, r.ValueNull = i.NullKey, i.NullValue
							records = append(records, r)
						}
						items = items[n:]
						files++
						folder := filepath.Join(root, place)
						if c.parts {
							folder = filepath.Join(folder, fmt.Sprintf("part=%d", files%3))
						}
						write(tb, filepath.Join(folder, fmt.Sprintf("%06d%s", files, c.ending)), f, records...)
					}
				},
				Item:      func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
				Bounded:   !c.Watch,
				Unordered: c.parts,
				Grows:     c.Watch || c.Order == file.Independent,
				Records:   10_000,
			})
		})
	}
}
