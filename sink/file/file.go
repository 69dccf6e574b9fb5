package file

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/filesink"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/stage"
)

// New returns a sink that writes files below a directory, which is made if it is missing.
func New[K, V any](dir string, options Options[K, V]) *Sink[K, V] {
	return &Sink[K, V]{dir: dir, options: filesink.Options[K, V](options).WithDefaults()}
}

// Sink writes files. It is a sink.TwoPhase.
type Sink[K, V any] struct {
	dir     string
	options filesink.Options[K, V]
}

var _ sink.TwoPhase[string, any] = (*Sink[string, any])(nil)

// Connect implements sink.Sink: it checks the options, makes the directory, and finds out whether files can be written there.
func (s *Sink[K, V]) Connect(context.Context) error {
	if s.dir == "" {
		return fmt.Errorf("sink/file: %w: the directory is missing", weir.ErrConfiguration)
	}
	if err := s.options.Check(); err != nil {
		return fmt.Errorf("sink/file: directory %s: %w", s.dir, err)
	}
	if err := stage.Probe(s.dir); err != nil {
		return fmt.Errorf("sink/file: directory %s cannot be written to: %w", s.dir, err)
	}
	return nil
}

// Close implements sink.Sink.
func (s *Sink[K, V]) Close(context.Context) error { return nil }

// Writer implements sink.Sink: its Flush makes files visible at once.
func (s *Sink[K, V]) Writer(ctx context.Context, task sink.Task) (sink.Writer[K, V], error) {
	w, err := s.TwoPhaseWriter(ctx, task)
	if err != nil {
		return nil, err
	}
	return filesink.Plain(ctx, w)
}

// TwoPhaseWriter implements sink.TwoPhase.
func (s *Sink[K, V]) TwoPhaseWriter(_ context.Context, task sink.Task) (sink.TwoPhaseWriter[K, V], error) {
	area, err := stage.Open(s.dir, task)
	if err != nil {
		return nil, fmt.Errorf("sink/file: %w", err)
	}
	return newWriter(s, task, area), nil
}

// String names the directory.
func (s *Sink[K, V]) String() string { return "files in " + s.dir }

var _ fmt.Stringer = (*Sink[string, any])(nil)

// exists reports whether there is a file.
func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
