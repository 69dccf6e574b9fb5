package bulk

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/background"
	"github.com/weirstreams/weir/sink"
)

// Config describes the items of a [Writer]: documents, messages or points.
type Config[K, V, T any] struct {
	// Target names the sink in errors, and Noun an item.
	Target fmt.Stringer
	Noun   string
	// Make makes the item of a record, which belongs to the caller. Its error is one of the record.
	Make func(r *weir.Record[K, V]) (T, error)
	// Write writes a batch, as the function of [sink.Batch] does.
	Write func(ctx context.Context, records []weir.Record[struct{}, T]) error
	// Size returns the size of an item in bytes.
	Size func(item T) int
	// KeptMessage is logged with the number of items of Writer.Kept. Logger may be nil.
	KeptMessage string
	Logger      *slog.Logger
}

// Writer makes items of the records of a task, and hands them to a writer of batches. Full batches, and those of a checkpoint by the clock, are written
// beside the task.
type Writer[K, V, T any] struct {
	sink.Writer[struct{}, T]
	config Config[K, V, T]
	// Kept counts items that the target was not given, because it has them. Config.Write adds to it.
	Kept atomic.Int64
	// record is the one that Add hands over, which copies it.
	record weir.Record[struct{}, T]
}

// NewWriter returns the writer of a task. The sizes of options are set to those of the items.
func NewWriter[K, V, T any](config Config[K, V, T], options sink.BatchOptions) *Writer[K, V, T] {
	options.Size = func(_, value any) int { return config.Size(value.(T)) }
	return &Writer[K, V, T]{Writer: sink.NewBatchWriter(config.Write, options), config: config}
}

// Add implements [sink.Writer].
func (w *Writer[K, V, T]) Add(ctx context.Context, r *weir.Record[K, V]) error {
	item, err := w.config.Make(r)
	if err != nil {
		return fmt.Errorf("make a %s for %s: %w", w.config.Noun, w.config.Target, err)
	}
	w.record = weir.Record[struct{}, T]{Value: item, Millis: r.Millis, Origin: r.Origin}
	return w.Writer.Add(ctx, &w.record)
}

// Flush implements [sink.Writer].
func (w *Writer[K, V, T]) Flush(ctx context.Context, c sink.Checkpoint) error {
	err := w.Writer.Flush(ctx, c)
	w.logKept()
	return err
}

// Cut implements background.Cutter.
func (w *Writer[K, V, T]) Cut(ctx context.Context, ended func()) background.Cut {
	w.logKept()
	return background.CutOf(ctx, w.Writer, ended)
}

// logKept logs how many items the target was not given since the last call.
func (w *Writer[K, V, T]) logKept() {
	if n := w.Kept.Swap(0); n > 0 && w.config.Logger != nil {
		w.config.Logger.Info(w.config.KeptMessage, w.config.Noun+"s", n)
	}
}

var _ background.Cutter = (*Writer[int, int, int])(nil)
