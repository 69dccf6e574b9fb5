package file

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// entry is a file of the source. Its name is the path below the folder, with slashes.
type entry struct {
	name string
	size int64
}

// part is a part of the files: those that lie in a folder, a single one, or all.
type part struct{ folder, file string }

// list returns files of the source in order.
func (s *Source[K, V]) list(now time.Time, of part) (found []entry, err error) {
	add := func(name string) error {
		info, err := os.Stat(s.pathOf(name)) // the target of a link
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile
			return nil
		case err != nil:
			return err
		case info.Mode().IsRegular() && (s.options.MinAge == 0 || now.Sub(info.ModTime()) >= s.options.MinAge):
			found = append(found, entry{name, info.Size()})
		}
		return nil
	}
	switch {
	case s.single:
		err = add(filepath.Base(s.path))
		return found, err
	case of.file != "":
		err = add(of.file)
		return found, err
	}
	root := filepath.Join(s.path, filepath.FromSlash(of.folder))
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && file != s.path: // removed meanwhile
			return nil
		case err != nil:
			return err
		case file != root && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") || d.IsDir() && of.folder != ""):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		relative, err := filepath.Rel(s.path, file)
		if err != nil {
			return err
		}
		if name := filepath.ToSlash(relative); s.options.matches(name) {
			return add(name)
		}
		return nil
	})
	return found, err
}

// pathOf returns the path of a file of the source.
func (s *Source[K, V]) pathOf(name string) string {
	if s.single {
		return s.path
	}
	return filepath.Join(s.path, filepath.FromSlash(name))
}

// compare orders names as a walk through the folders does.
func compare(a, b string) int { return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) }

// folderOf returns the folder of a file, "." for those that lie in none.
func folderOf(name string) string { return path.Dir(name) }
