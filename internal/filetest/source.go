package filetest

import (
	"fmt"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/source/sourcetest"
)

// SourcePlaces are the places that a source under test reads files from.
type SourcePlaces struct {
	// Source makes a source that reads a place.
	Source func(tb testing.TB, place string, options file.Options[*string, *string]) source.Source[*string, *string]
	// Put returns a function that makes a file of a place at once. Names have slashes between folders.
	Put func(tb testing.TB, place string) (put func(name string, content []byte))
	// System has the fields that do not depend on the content of files.
	System sourcetest.System[*string, *string]
}

// RunSource runs the kit for sources with several options, each with places of its own.
func RunSource(t *testing.T, places func(t *testing.T) SourcePlaces) {
	t.Helper()
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
			p := places(t)
			files := 0
			system := p.System
			system.New = func(tb testing.TB, place string) source.Source[*string, *string] {
				return p.Source(tb, place, c.options)
			}
			system.Fill = func(tb testing.TB, place string, items []sourcetest.Item) {
				put := p.Put(tb, place)
				f := c.Format
				if f == nil {
					f = format.JSONLines[*string, *string]{}
				}
				for len(items) > 0 {
					n := min(c.perFile, len(items))
					if len(items) > 5000 {
						n = 4000
					}
					files++
					name := fmt.Sprintf("%06d%s", files, c.ending)
					if c.parts {
						name = fmt.Sprintf("part=%d/%s", files%3, name)
					}
					put(name, Encode(tb, name, f, RecordsOf(items[:n])...))
					items = items[n:]
				}
			}
			system.Item = func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) }
			system.Bounded = !c.Watch
			system.Unordered = c.parts
			system.Grows = c.Watch || c.Order == file.Independent
			system.Records = 10_000
			sourcetest.Run(t, system)
		})
	}
}

// RecordsOf returns the records of items.
func RecordsOf(items []sourcetest.Item) []weir.Record[*string, *string] {
	records := make([]weir.Record[*string, *string], len(items))
	for n, i := range items {
		records[n] = weir.Record[*string, *string]{Millis: 1, KeyNull: i.NullKey, ValueNull: i.NullValue}
		records[n].Key, records[n].Value = i.Pointers()
	}
	return records
}
