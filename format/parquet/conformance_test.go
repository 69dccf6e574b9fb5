package parquet_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/format/parquet"
	"github.com/weirstreams/weir/sink"
	sinkfile "github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/sinktest"
	"github.com/weirstreams/weir/source"
	sourcefile "github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/source/sourcetest"
)

// texts is the format under test: a column of keys and one of values, which both may be null.
var texts = parquet.Format[*string, *string]{}

// onDisk is a file that was written.
type onDisk struct{ *os.File }

func (f onDisk) Open(offset int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(f.File, offset, 1<<62)), nil
}

func (f onDisk) Size() int64 {
	info, err := f.Stat()
	if err != nil {
		return -1
	}
	return info.Size()
}

// readFile appends the records of a file.
func readFile(path string, records []weir.Record[*string, *string]) ([]weir.Record[*string, *string], error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	d, err := texts.NewDecoder(onDisk{in}, format.Place{})
	if err != nil {
		return nil, err
	}
	for {
		var r weir.Record[*string, *string]
		switch err := d.Decode(&r); {
		case err == io.EOF:
			return records, d.Close()
		case err != nil:
			return nil, err
		}
		records = append(records, r)
	}
}

func TestFilesOfParquetKeepThePromisesOfSinks(t *testing.T) {
	root := t.TempDir()
	sinktest.Run(t, sinktest.Target[*string, *string]{
		New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
			return sinkfile.New(filepath.Join(root, place), sinkfile.Options[*string, *string]{Format: texts, MaxFileRecords: 15_000})
		},
		Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
		Read: func(tb testing.TB, place string) (items []sinktest.Item) {
			var records []weir.Record[*string, *string]
			err := filepath.WalkDir(filepath.Join(root, place), func(path string, entry fs.DirEntry, err error) error {
				switch {
				case errors.Is(err, fs.ErrNotExist):
					return nil
				case err != nil:
					return err
				case entry.IsDir() && strings.HasPrefix(entry.Name(), "."):
					return fs.SkipDir
				case entry.IsDir() || strings.HasPrefix(entry.Name(), "."):
					return nil
				}
				records, err = readFile(path, records)
				return err
			})
			if err != nil {
				tb.Fatal(err)
			}
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
			folder := filepath.Join(root, place)
			if err := os.MkdirAll(folder, 0o755); err != nil {
				tb.Fatal(err)
			}
			for len(items) > 0 {
				n := min(300, len(items))
				files++
				path := filepath.Join(folder, fmt.Sprintf("%06d.parquet", files))
				if err := writeFile(path, items[:n]); err != nil {
					tb.Fatal(err)
				}
				items = items[n:]
			}
		},
		Item:    func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
		Bounded: true,
		Records: 5000,
	})
}

// writeFile writes items under a hidden name, and renames the file.
func writeFile(path string, items []sourcetest.Item) error {
	hidden := filepath.Join(filepath.Dir(path), ".new")
	out, err := os.Create(hidden)
	if err != nil {
		return err
	}
	e := texts.NewEncoder(out)
	for _, i := range items {
		r := weir.Record[*string, *string]{Millis: 1, KeyNull: i.NullKey, ValueNull: i.NullValue, Origin: &weir.Origin{}}
		r.Key, r.Value = i.Pointers()
		if err := e.Encode(&r); err != nil {
			return errors.Join(err, out.Close())
		}
	}
	return errors.Join(e.Close(), out.Close(), os.Rename(hidden, path))
}
