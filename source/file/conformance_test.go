package file_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/source/sourcetest"
)

// write writes a file with records, as a sink does: whole, under a hidden name, and renamed.
func write[K, V any](tb testing.TB, path string, f format.Format[K, V], records ...weir.Record[K, V]) {
	tb.Helper()
	filetest.WriteFile(tb, path, filetest.Encode(tb, path, f, records...))
}

// put writes a file at once.
func put(tb testing.TB, path, content string) {
	tb.Helper()
	filetest.WriteFile(tb, path, []byte(content))
}

func TestTheSourceKeepsItsPromises(t *testing.T) {
	filetest.RunSource(t, func(t *testing.T) filetest.SourcePlaces {
		root := t.TempDir()
		return filetest.SourcePlaces{
			System: sourcetest.System[*string, *string]{Idle: 200 * time.Millisecond},
			Source: func(tb testing.TB, place string, options file.Options[*string, *string]) source.Source[*string, *string] {
				if err := os.MkdirAll(filepath.Join(root, place), 0o755); err != nil {
					tb.Fatal(err)
				}
				return file.New(filepath.Join(root, place), options)
			},
			Put: func(tb testing.TB, place string) func(name string, content []byte) {
				return func(name string, content []byte) {
					tb.Helper()
					filetest.WriteFile(tb, filepath.Join(root, place, filepath.FromSlash(name)), content)
				}
			},
		}
	})
}
