package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/filesource"
)

// folder is the folder that is read, or a single file. It implements filesource.Files.
type folder struct {
	path, pattern string
	minAge        time.Duration
	// single says that path is a file. Connect finds it out.
	single bool
}

// List returns files in order.
func (s *folder) List(_ context.Context, now time.Time, of filesource.Part) (found []filesource.Entry, err error) {
	add := func(name string) error {
		info, err := os.Stat(s.PathOf(name)) // the target of a link
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile
			return nil
		case err != nil:
			return err
		case info.Mode().IsRegular() && (s.minAge == 0 || now.Sub(info.ModTime()) >= s.minAge):
			found = append(found, filesource.Entry{Name: name, Size: info.Size()})
		}
		return nil
	}
	switch {
	case s.single:
		err = add(filepath.Base(s.path))
		return found, err
	case of.Kind == filesource.Single:
		err = add(of.Name)
		return found, err
	}
	root := filepath.Join(s.path, filepath.FromSlash(of.Name))
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && file != s.path: // removed meanwhile
			return nil
		case err != nil:
			return err
		case file != root && (filesource.Hidden(d.Name()) || d.IsDir() && of.Kind == filesource.InFolder):
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
		if name := filepath.ToSlash(relative); filesource.Matches(s.pattern, name) {
			return add(name)
		}
		return nil
	})
	return found, err
}

// PathOf returns the path of a file of the source.
func (s *folder) PathOf(name string) string {
	if s.single {
		return s.path
	}
	return filepath.Join(s.path, filepath.FromSlash(name))
}

// Compare orders names as a walk through the folders does.
func (s *folder) Compare(a, b string) int {
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
}

// Open opens a file.
func (s *folder) Open(_ context.Context, name string) (filesource.File, error) {
	return openDisk(s.PathOf(name))
}
