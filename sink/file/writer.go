package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/filesink"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/stage"
)

// writer writes the files of a task.
type writer[K, V any] struct {
	sink  *Sink[K, V]
	task  sink.Task
	area  *stage.Area
	files *filesink.Files[K, V, *stage.File]
}

func newWriter[K, V any](s *Sink[K, V], task sink.Task, area *stage.Area) *writer[K, V] {
	return &writer[K, V]{sink: s, task: task, area: area, files: filesink.New(s.options, task.Now, 0, area.NewFile)}
}

func (w *writer[K, V]) Recover(_ context.Context, epoch string, tokens [][]byte) error {
	if err := w.area.Recover(epoch, tokens); err != nil {
		return w.failed("recover", err)
	}
	return nil
}

func (w *writer[K, V]) Add(_ context.Context, r *weir.Record[K, V]) error { return w.files.Add(r) }

func (w *writer[K, V]) Full() bool { return w.files.Full() }

func (w *writer[K, V]) Prepare(ctx context.Context, c sink.Checkpoint) ([]byte, error) {
	files, err := w.files.Complete(c, w.area.Unique(c))
	if err != nil {
		return nil, fmt.Errorf("sink/file: directory %s: %w", w.sink.dir, err)
	}
	targets := make([]stage.Target, len(files))
	for i, f := range files {
		targets[i] = stage.Target{File: f.Content, Name: f.Name}
	}
	token, err := w.area.Prepare(ctx, c, targets)
	if err != nil {
		return nil, w.failed("prepare", err)
	}
	w.files.Forget()
	return token, nil
}

func (w *writer[K, V]) Commit(ctx context.Context, token []byte) error {
	work, found, err := w.area.Find(token, func(first string) (bool, error) { return exists(filepath.Join(w.sink.dir, filepath.FromSlash(first))) })
	if err != nil {
		return w.failed("commit", err)
	}
	if !found {
		return nil
	}
	var folders []string
	for i, name := range work.Names {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		target := filepath.Join(w.sink.dir, filepath.FromSlash(name))
		if folder := filepath.Dir(target); !slices.Contains(folders, folder) {
			if err := stage.MakeDirs(folder); err != nil {
				return w.failed("commit", err)
			}
			folders = append(folders, folder)
		}
		if err := w.rename(work.Path(i), target); err != nil {
			return w.failed("commit", err)
		}
	}
	for _, folder := range append(folders, work.Dir) {
		if err := stage.SyncDir(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return w.failed("commit", err)
		}
	}
	if err := w.area.Done(work); err != nil {
		return w.failed("commit", err)
	}
	return nil
}

// rename makes a prepared file visible, unless an earlier commit of the token has done it: then the prepared file is gone.
func (w *writer[K, V]) rename(from, to string) error {
	if !w.sink.options.Replace {
		there, err := exists(to)
		if err != nil {
			return err
		}
		if prepared, err := exists(from); err != nil {
			return err
		} else if there && prepared {
			return fmt.Errorf("%s exists and is not of this sink: move it away", to)
		}
	}
	err := os.Rename(from, to)
	if errors.Is(err, fs.ErrNotExist) {
		if prepared, existsErr := exists(from); existsErr == nil && !prepared {
			return nil
		}
	}
	return err
}

func (w *writer[K, V]) Discard() {
	if err := w.files.Discard(); err != nil {
		w.task.Logger.Warn("sink/file: discarded files stay until the task is opened again", "directory", w.sink.dir, "error", err)
	}
}

func (w *writer[K, V]) Close() error {
	w.Discard()
	return nil
}

// failed names the directory in an error, and says whether it may pass.
func (w *writer[K, V]) failed(doing string, err error) error {
	return stage.Later(fmt.Errorf("sink/file: directory %s: %s: %w", w.sink.dir, doing, err))
}
