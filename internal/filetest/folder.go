package filetest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
)

// prepared is the folder of files that no commit has made visible.
const prepared = ".weir"

// WriteFile writes a file of the disk, and its folder, as a sink does: whole, under a hidden name, and renamed.
func WriteFile(tb testing.TB, path string, content []byte) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	hidden := filepath.Join(filepath.Dir(path), ".new")
	if err := os.WriteFile(hidden, content, 0o644); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(hidden, path); err != nil {
		tb.Fatal(err)
	}
}

// ReadAll reads all visible files below a directory of the disk, as every reader would: prepared files are passed over.
func ReadAll[K, V any](tb testing.TB, dir string, f format.Format[K, V]) (names []string, records []weir.Record[K, V]) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path == dir:
			return nil
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == prepared:
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		names = append(names, filepath.ToSlash(relative))
		return DecodePath(path, f, func(r weir.Record[K, V]) { records = append(records, r) })
	})
	if err != nil {
		tb.Fatal(err)
	}
	return names, records
}
