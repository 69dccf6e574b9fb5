package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/weirstreams/weir/source"
)

// New returns a source of the files below a folder, or of a single file.
func New[K, V any](path string, options Options[K, V]) *Source[K, V] {
	return &Source[K, V]{path: path, options: options.withDefaults()}
}

// Source reads files.
type Source[K, V any] struct {
	path    string
	options Options[K, V]
	// single says that path is a file. Connect finds it out.
	single bool
}

var (
	_ source.Source[string, any] = (*Source[string, any])(nil)
	_ source.Slotted             = (*Source[string, any])(nil)
)

// Connect implements source.Source: it checks the options, and that there is a file or folder that can be read.
func (s *Source[K, V]) Connect(context.Context) error {
	if s.path == "" {
		return errors.New("source/file: the path is missing")
	}
	if err := s.options.check(); err != nil {
		return fmt.Errorf("source/file: %s: %w", s.path, err)
	}
	f, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("source/file: %w", err)
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("source/file: %w", err)
	}
	s.single = !info.IsDir()
	if s.single && s.options.Watch {
		return fmt.Errorf("source/file: %s is a file, and Watch needs a folder", s.path)
	}
	return nil
}

// Close implements source.Source.
func (s *Source[K, V]) Close(context.Context) error { return nil }

// String names the path.
func (s *Source[K, V]) String() string { return "files in " + s.path }

// Slots implements source.Slotted: a sequence cannot be divided.
func (s *Source[K, V]) Slots() int32 {
	const most = 8
	if s.options.Order == OneSequence {
		return 1
	}
	return most
}

const (
	allFiles = "all"
	inFolder = "folder:"
	theFile  = "file:"
)

// Splits implements source.Source: one for all files, one for each folder, or one for each file.
func (s *Source[K, V]) Splits(context.Context, func(id string) bool) (splits []source.Split, err error) {
	if s.options.Order == OneSequence {
		return []source.Split{{ID: allFiles}}, nil
	}
	found, err := s.list(time.Now(), part{})
	if err != nil {
		return nil, fmt.Errorf("source/file: %w", err)
	}
	seen := map[string]bool{}
	for _, f := range found {
		id := theFile + f.name
		if s.options.Order == ByFolder {
			id = inFolder + folderOf(f.name)
		}
		if !seen[id] {
			seen[id] = true
			splits = append(splits, source.Split{ID: id})
		}
	}
	return splits, nil
}

// Open implements source.Source.
func (s *Source[K, V]) Open(_ context.Context, task source.Task, split source.Split, data []byte) (source.Reader[K, V], error) {
	r := &reader[K, V]{source: s, task: task}
	switch {
	case split.ID == allFiles:
		r.watched = s.options.Watch
	case strings.HasPrefix(split.ID, inFolder):
		r.part.folder = strings.TrimPrefix(split.ID, inFolder)
		r.watched = s.options.Watch
	case strings.HasPrefix(split.ID, theFile):
		r.part.file = strings.TrimPrefix(split.ID, theFile)
	default:
		return nil, fmt.Errorf("source/file: split %q is not one of this source", split.ID)
	}
	if data != nil {
		if err := json.Unmarshal(data, &r.position); err != nil {
			return nil, fmt.Errorf("source/file: position %q: %w", data, err)
		}
	}
	if err := r.begin(); err != nil {
		return nil, fmt.Errorf("source/file: %w", err)
	}
	return r, nil
}
