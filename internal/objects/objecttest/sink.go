package objecttest

import (
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/sinktest"
)

// sinkCases are the options that the kit runs with.
var sinkCases = map[string]file.Options[*string, *string]{
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
	"CSV, zstd, small files": {Compression: format.Zstd, Format: format.CSV[*string, *string]{Columns: format.RecordColumns()}, MaxFileRecords: 3000, MaxFileBytes: 1 << 16},
}

// RunSink runs the kit for sinks.
func RunSink(t *testing.T, s *Store) {
	t.Helper()
	for name, options := range sinkCases {
		t.Run(name, func(t *testing.T) {
			root := "kit-" + t.Name()[len(t.Name())-4:]
			prefix := func(place string) string { return root + "/" + place }
			target := sinktest.Target[*string, *string]{
				New:    func(_ testing.TB, place string) sink.Sink[*string, *string] { return s.Sink(prefix(place), options) },
				Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
				Read: func(tb testing.TB, place string) (all []sinktest.Item) {
					f := options.Format
					if f == nil {
						f = format.JSONLines[*string, *string]{}
					}
					for _, r := range Records(tb, s.Bucket(tb, prefix(place)), f) {
						all = append(all, sinktest.OfPointers(r.Key, r.Value))
					}
					return all
				},
				Refused: func() (key, value *string) {
					text := "\xff"
					return &text, &text
				},
				Leftovers:   func(tb testing.TB, place string) int { return len(Prepared(tb, s.Bucket(tb, prefix(place)))) },
				Push:        func(_ testing.TB, place string) func() { return s.Gate.Answer(place, s.Slow) },
				Break:       func(_ testing.TB, place string) func() { return s.Gate.Answer(place, s.Denied) },
				Secrets:     s.Secrets,
				Unreachable: func(testing.TB) sink.Sink[*string, *string] { return s.UnreachableSink() },
			}
			if name != "JSON lines" {
				target.Records = 10_000
			}
			sinktest.Run(t, target)
		})
	}
}
