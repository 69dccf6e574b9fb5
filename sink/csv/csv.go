package csv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/filesink"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/stage"
)

// Options are the settings of [New]. The zero value writes the columns key, value, timestamp, topic, partition and offset, as Excel reads them.
type Options[K, V any] struct {
	// Columns are the columns of the file. nil means format.RecordColumns.
	Columns []format.Column
	// Dialect is how cells are separated and quoted: format.Excel, format.ExcelTab, format.Unix or one of your own.
	Dialect format.Dialect
	// NoHeader leaves the line with the names of the columns out.
	NoHeader bool
	// ToRow makes the row of a record, for Columns of format.PartField. nil takes the value: its fields, or the columns of a row.Row.
	ToRow func(r *weir.Record[K, V]) (row.Row, error)
	// HoldBytes is how much a task holds in memory before it asks for a checkpoint. 0 means 64 MiB.
	HoldBytes int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration
}

// New returns a sink that appends to a file, which is made if it is missing, with its folder.
func New[K, V any](path string, options Options[K, V]) *Sink[K, V] {
	if options.Columns == nil {
		options.Columns = format.RecordColumns()
	}
	const hold = 64 << 20
	if options.HoldBytes == 0 {
		options.HoldBytes = hold
	}
	f := format.CSV[K, V]{Columns: options.Columns, Dialect: options.Dialect, NoHeader: options.NoHeader, Rows: format.Rows[K, V]{ToRow: options.ToRow}}
	s := &Sink[K, V]{path: path, options: options, format: f, target: targetOf(path, f.Header())}
	s.format.NoHeader = true // the header is in front of the file, and not of each checkpoint
	return s
}

// Sink appends to a CSV file. It is a sink.TwoPhase.
type Sink[K, V any] struct {
	path    string
	options Options[K, V]
	format  format.CSV[K, V]
	target  target
}

var _ sink.TwoPhase[string, any] = (*Sink[string, any])(nil)

// Connect implements sink.Sink: it checks the options, makes the folder, and compares the header of a file that is there.
func (s *Sink[K, V]) Connect(context.Context) error {
	if s.path == "" {
		return fmt.Errorf("sink/csv: %w: the path of the file is missing", weir.ErrConfiguration)
	}
	err := errors.Join(connector.Negative(s.options), s.format.Check())
	if err != nil {
		err = fmt.Errorf("%w: %w", weir.ErrConfiguration, err)
	}
	if err == nil {
		err = stage.Probe(filepath.Dir(s.path))
	}
	if err == nil {
		err = s.target.check()
	}
	if err != nil {
		return fmt.Errorf("sink/csv: file %s: %w", s.path, err)
	}
	return nil
}

// Close implements sink.Sink.
func (s *Sink[K, V]) Close(context.Context) error { return nil }

// Writer implements sink.Sink: its Flush appends at once.
func (s *Sink[K, V]) Writer(ctx context.Context, task sink.Task) (sink.Writer[K, V], error) {
	w, err := s.TwoPhaseWriter(ctx, task)
	if err != nil {
		return nil, err
	}
	return filesink.Plain(ctx, w)
}

// TwoPhaseWriter implements sink.TwoPhase.
func (s *Sink[K, V]) TwoPhaseWriter(_ context.Context, task sink.Task) (sink.TwoPhaseWriter[K, V], error) {
	area, err := stage.Open(filepath.Dir(s.path), task)
	if err != nil {
		return nil, fmt.Errorf("sink/csv: %w", err)
	}
	w := &writer[K, V]{sink: s, task: task, area: area}
	w.reset()
	return w, nil
}

// String names the file.
func (s *Sink[K, V]) String() string { return "CSV file " + s.path }

// writer writes the lines of a task to a file of its own, which a commit appends.
type writer[K, V any] struct {
	sink    *Sink[K, V]
	task    sink.Task
	area    *stage.Area
	file    *stage.File
	encoder format.Encoder[K, V]
	since   time.Time
}

// reset begins a new file.
func (w *writer[K, V]) reset() {
	w.file, w.since = w.area.NewFile(), time.Time{}
	w.encoder = w.sink.format.NewEncoder(w.file)
}

func (w *writer[K, V]) Recover(_ context.Context, epoch string, tokens [][]byte) error {
	if err := w.area.Recover(epoch, tokens); err != nil {
		return w.failed("recover", err)
	}
	return nil
}

func (w *writer[K, V]) Add(_ context.Context, r *weir.Record[K, V]) error {
	if err := w.encoder.Encode(r); err != nil {
		return err
	}
	if w.since.IsZero() && w.sink.options.MaxAge > 0 {
		w.since = w.now()
	}
	return nil
}

func (w *writer[K, V]) now() time.Time {
	if w.task.Now != nil {
		return w.task.Now()
	}
	return time.Now()
}

func (w *writer[K, V]) Full() bool {
	return w.file.Pending() >= w.sink.options.HoldBytes || !w.since.IsZero() && w.now().Sub(w.since) >= w.sink.options.MaxAge
}

func (w *writer[K, V]) Prepare(ctx context.Context, c sink.Checkpoint) ([]byte, error) {
	if w.file.Size() == 0 {
		return nil, nil
	}
	token, err := w.area.Prepare(ctx, c, []stage.Target{{File: w.file, Name: filepath.Base(w.sink.path)}})
	if err != nil {
		return nil, w.failed("prepare", err)
	}
	w.reset()
	return token, nil
}

func (w *writer[K, V]) Commit(ctx context.Context, token []byte) error {
	parsed, err := filesink.ParseToken(token)
	if err != nil {
		return w.failed("commit", err)
	}
	t := &w.sink.target
	err = t.locked(ctx, func() error {
		work, found, err := w.area.Find(token, func(string) (bool, error) { return t.has(w.area.Name(), parsed.Work) })
		if err != nil || !found {
			return err
		}
		if err := t.append(w.area.Name(), parsed.Work, work.Path(0)); err != nil {
			return err
		}
		if err := os.Remove(work.Path(0)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return w.area.Done(work)
	})
	if err != nil {
		return w.failed("commit", err)
	}
	return nil
}

func (w *writer[K, V]) Discard() {
	if err := w.file.Remove(); err != nil {
		w.task.Logger.Warn("sink/csv: discarded lines stay until the task is opened again", "file", w.sink.path, "error", err)
	}
	w.reset()
}

func (w *writer[K, V]) Close() error {
	w.Discard()
	return nil
}

// failed names the file in an error, and says whether it may pass.
func (w *writer[K, V]) failed(doing string, err error) error {
	return stage.Later(fmt.Errorf("sink/csv: file %s: %s: %w", w.sink.path, doing, err))
}
