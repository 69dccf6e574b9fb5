package file_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/internal/stage"
	"github.com/weirstreams/weir/sink/sinktest"
)

// onDisk is a file that was written.
type onDisk struct {
	*os.File
	compression format.Compression
}

func (f onDisk) Open(offset int64) (io.ReadCloser, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	r, err := f.compression.NewReader(f.File)
	if err != nil {
		return nil, err
	}
	_, err = io.CopyN(io.Discard, r, offset)
	return r, err
}

func (f onDisk) Size() int64 {
	info, err := f.Stat()
	if err != nil {
		return -1
	}
	return info.Size()
}

// readAll reads all visible files below a directory, as every reader would: hidden names are passed over.
func readAll[K, V any](tb testing.TB, dir string, f format.Format[K, V]) (names []string, records []weir.Record[K, V]) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path == dir:
			return nil
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == stage.Root:
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		names = append(names, filepath.ToSlash(relative))
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		d, err := f.NewDecoder(onDisk{in, format.CompressionOf(path)}, format.Place{})
		if err != nil {
			return err
		}
		for {
			var r weir.Record[K, V]
			if err := d.Decode(&r); errors.Is(err, io.EOF) {
				return d.Close()
			} else if err != nil {
				return err
			}
			records = append(records, r)
		}
	})
	if err != nil {
		tb.Fatal(err)
	}
	return names, records
}

func TestTheSinkKeepsItsPromises(t *testing.T) {
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
		"CSV, zstd, small files": {Compression: format.Zstd, Format: format.CSV[*string, *string]{Columns: format.RecordColumns()}, MaxFileRecords: 30_000, MaxFileBytes: 1 << 19},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			target := sinktest.Target[*string, *string]{
				New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
					return file.New(filepath.Join(root, place), options)
				},
				Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
				Read: func(tb testing.TB, place string) (all []sinktest.Item) {
					f := options.Format
					if f == nil {
						f = format.JSONLines[*string, *string]{}
					}
					_, records := readAll(tb, filepath.Join(root, place), f)
					for _, r := range records {
						all = append(all, sinktest.OfPointers(r.Key, r.Value))
					}
					return all
				},
				Refused: func() (key, value *string) {
					text := "\xff"
					return &text, &text
				},
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
			}
			if strings.HasPrefix(name, "CSV") || options.OpenFiles > 0 {
				target.Records = 40_000
			}
			sinktest.Run(t, target)
		})
	}
}
