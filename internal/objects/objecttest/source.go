package objecttest

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/source/sourcetest"
)

// Write makes an object with records.
func Write[K, V any](tb testing.TB, b *objects.Bucket, key string, f format.Format[K, V], records ...weir.Record[K, V]) {
	tb.Helper()
	var content bytes.Buffer
	stream, err := format.CompressionOf(key).NewWriter(&content)
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
	Put(tb, b, key, content.String())
}

// Put makes an object.
func Put(tb testing.TB, b *objects.Bucket, key, content string) {
	tb.Helper()
	if err := b.Upload(tb.Context(), key, []byte(content), "application/octet-stream"); err != nil {
		tb.Fatal(err)
	}
}

type sourceCase struct {
	file.Options[*string, *string]
	ending  string
	perFile int
	parts   bool
}

func sourceCases() map[string]sourceCase {
	type options = file.Options[*string, *string]
	csv := format.CSV[*string, *string]{Columns: format.RecordColumns()}
	return map[string]sourceCase{
		"one sequence of JSON lines":            {options{BatchRecords: 7}, ".jsonl", 40, false},
		"watched, in gzip":                      {options{Watch: true, WatchInterval: 100 * time.Millisecond}, ".jsonl.gz", 30, false},
		"CSV in zstd, folders at the same time": {options{Format: csv, Order: file.ByFolder, BatchRecords: 100}, ".csv.zst", 50, true},
		"independent objects":                   {options{Order: file.Independent}, ".jsonl", 33, true},
	}
}

// RunSource runs the kit for sources.
func RunSource(t *testing.T, s *Store) {
	t.Helper()
	for name, c := range sourceCases() {
		t.Run(name, func(t *testing.T) {
			root := "read-" + t.Name()[len(t.Name())-4:]
			files := 0
			sourcetest.Run(t, sourcetest.System[*string, *string]{
				New: func(_ testing.TB, place string) source.Source[*string, *string] {
					return s.Source(root+"/"+place, c.Options)
				},
				Fill: func(tb testing.TB, place string, items []sourcetest.Item) {
					b := s.Bucket(tb, root+"/"+place)
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
						key := fmt.Sprintf("%06d%s", files, c.ending)
						if c.parts {
							key = fmt.Sprintf("part=%d/%s", files%3, key)
						}
						Write(tb, b, key, f, records...)
					}
				},
				Item:        func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
				Bounded:     !c.Watch,
				Unordered:   c.parts,
				Grows:       c.Watch || c.Order == file.Independent,
				Records:     10_000,
				Secrets:     s.Secrets,
				Unreachable: func(testing.TB) source.Source[*string, *string] { return s.UnreachableSource() },
			})
		})
	}
}
