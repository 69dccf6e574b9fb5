package filetest

import (
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/sinktest"
)

// SinkPlaces are the places that a sink under test writes files to.
type SinkPlaces struct {
	// Sink makes a sink that writes to a place.
	Sink func(place string, options file.Options[*string, *string]) sink.Sink[*string, *string]
	// Records returns the records of the visible files of a place.
	Records func(tb testing.TB, place string, f format.Format[*string, *string]) []weir.Record[*string, *string]
	// Target has the fields that do not depend on the content of files.
	Target sinktest.Target[*string, *string]
}

// RunSink runs the kit for sinks with several options, each with places of its own. small are the bounds of small files, and records is the size of
// the larger cases with files other than plain JSON lines in one folder.
func RunSink(t *testing.T, smallBytes int64, smallRecords, records int, places func(t *testing.T) SinkPlaces) {
	t.Helper()
	for name, options := range map[string]file.Options[*string, *string]{
		"JSON lines": {},
		"JSON lines in folders of keys, gzip": {
			Compression: format.Gzip, OpenFiles: 3,
			Folder: func(r *weir.Record[*string, *string]) ([]string, error) {
				if r.Key == nil {
					return []string{file.Hive("k", "")}, nil
				}
				return []string{"keys", file.Hive("k", (*r.Key)[:min(5, len(*r.Key))])}, nil
			},
		},
		"CSV, zstd, small files": {
			Compression: format.Zstd, Format: format.CSV[*string, *string]{Columns: format.RecordColumns()},
			MaxFileRecords: smallRecords, MaxFileBytes: smallBytes,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := places(t)
			target := p.Target
			target.New = func(_ testing.TB, place string) sink.Sink[*string, *string] { return p.Sink(place, options) }
			target.Record = func(i sinktest.Item) (key, value *string) { return i.Pointers() }
			target.Read = func(tb testing.TB, place string) (all []sinktest.Item) {
				f := options.Format
				if f == nil {
					f = format.JSONLines[*string, *string]{}
				}
				for _, r := range p.Records(tb, place, f) {
					all = append(all, sinktest.OfPointers(r.Key, r.Value))
				}
				return all
			}
			target.Refused = func() (key, value *string) {
				text := "\xff"
				return &text, &text
			}
			if name != "JSON lines" {
				target.Records = records
			}
			sinktest.Run(t, target)
		})
	}
}
