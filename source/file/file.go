package file

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/filesource"
	"github.com/weirstreams/weir/source"
)

// New returns a source of the files below a folder, or of a single file.
func New[K, V any](path string, options Options[K, V]) *Source[K, V] {
	o := filesource.Options[K, V](options).WithDefaults()
	place := &folder{path: path, pattern: o.Pattern, minAge: o.MinAge}
	return &Source[K, V]{place: place, files: filesource.Source[K, V]{Name: "source/file", Options: o, Files: place}}
}

// Source reads files.
type Source[K, V any] struct {
	place *folder
	files filesource.Source[K, V]
}

var (
	_ source.Source[string, any] = (*Source[string, any])(nil)
	_ source.Slotted             = (*Source[string, any])(nil)
)

// Connect implements source.Source: it checks the options, and that there is a file or folder that can be read.
func (s *Source[K, V]) Connect(context.Context) error {
	if s.place.path == "" {
		return fmt.Errorf("source/file: %w: the path is missing", weir.ErrConfiguration)
	}
	if err := s.files.Options.Check(); err != nil {
		return fmt.Errorf("source/file: %s: %w", s.place.path, err)
	}
	f, err := os.Open(s.place.path)
	if err != nil {
		return fmt.Errorf("source/file: %w", err)
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("source/file: %w", err)
	}
	s.place.single = !info.IsDir()
	if s.place.single && s.files.Options.Watch {
		return fmt.Errorf("source/file: %s is a file, and Watch needs a folder", s.place.path)
	}
	return nil
}

// Close implements source.Source.
func (s *Source[K, V]) Close(context.Context) error { return nil }

// String names the path.
func (s *Source[K, V]) String() string { return "files in " + s.place.path }

// Slots implements source.Slotted: a sequence cannot be divided.
func (s *Source[K, V]) Slots() int32 { return s.files.Slots() }

// Splits implements source.Source: one for all files, one for each folder, or one for each file.
func (s *Source[K, V]) Splits(ctx context.Context, _ func(id string) bool) ([]source.Split, error) {
	return s.files.Splits(ctx)
}

// Open implements source.Source.
func (s *Source[K, V]) Open(ctx context.Context, task source.Task, split source.Split, data []byte) (source.Reader[K, V], error) {
	return s.files.Open(ctx, task, split, data)
}
