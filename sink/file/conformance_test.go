package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/internal/stage"
	"github.com/weirstreams/weir/sink/sinktest"
)

func TestTheSinkKeepsItsPromises(t *testing.T) {
	filetest.RunSink(t, 1<<19, 30_000, 40_000, func(t *testing.T) filetest.SinkPlaces {
		root := t.TempDir()
		return filetest.SinkPlaces{
			Sink: func(place string, options file.Options[*string, *string]) sink.Sink[*string, *string] {
				return file.New(filepath.Join(root, place), options)
			},
			Records: func(tb testing.TB, place string, f format.Format[*string, *string]) []weir.Record[*string, *string] {
				_, records := filetest.ReadAll(tb, filepath.Join(root, place), f)
				return records
			},
			Target: sinktest.Target[*string, *string]{
				Leftovers: func(tb testing.TB, place string) (n int) {
					files, err := filepath.Glob(filepath.Join(root, place, stage.Root, "*", "*", "[0-9]*"))
					if err != nil {
						tb.Fatal(err)
					}
					open, err := filepath.Glob(filepath.Join(root, place, stage.Root, "*", "open-*"))
					if err != nil {
						tb.Fatal(err)
					}
					return len(files) + len(open)
				},
				Break: func(tb testing.TB, place string) func() {
					// A file where the folder of the tasks is: nothing can be prepared or committed.
					hidden := filepath.Join(root, place, stage.Root)
					if err := os.Rename(hidden, hidden+"-away"); err != nil {
						tb.Fatal(err)
					}
					if err := os.WriteFile(hidden, nil, 0o644); err != nil {
						tb.Fatal(err)
					}
					return func() {
						if err := errors.Join(os.Remove(hidden), os.Rename(hidden+"-away", hidden)); err != nil {
							tb.Fatal(err)
						}
					}
				},
			},
		}
	})
}
