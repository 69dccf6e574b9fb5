package sink

import (
	"context"
	"slices"

	"github.com/weirstreams/weir"
)

// BatchOptions configures [Batch]. The zero value is right for most targets.
type BatchOptions struct {
	// MaxRecords is how many records one call of the function gets at most. 0 means 1,000.
	MaxRecords int
	// HoldRecords is how many records a task may hold in memory before it asks for a checkpoint. 0 means 10,000.
	HoldRecords int
}

func (o BatchOptions) withDefaults() BatchOptions {
	if o.MaxRecords <= 0 {
		o.MaxRecords = 1000
	}
	if o.HoldRecords <= 0 {
		o.HoldRecords = 10_000
	}
	return o
}

// Batch returns a sink that collects the records of each task between two checkpoints, and hands them to write before the
// second, in order. Records are copied, without the targets of pointers in keys and values, which must not be changed. The slice
// is valid until write returns.
//
// write is called by the goroutines of several tasks at once. When it has returned nil, its records are not handed to it again
// unless they are processed again. After a [weir.RetryLaterError] it is called again with the same records, later; any
// other error ends the run.
func Batch[K, V any](write func(ctx context.Context, records []weir.Record[K, V]) error, options ...BatchOptions) Sink[K, V] {
	s := &batching[K, V]{write: write}
	if len(options) > 0 {
		s.options = options[0]
	}
	s.options = s.options.withDefaults()
	return s
}

type batching[K, V any] struct {
	write   func(context.Context, []weir.Record[K, V]) error
	options BatchOptions
}

func (*batching[K, V]) Connect(context.Context) error { return nil }
func (*batching[K, V]) Close(context.Context) error   { return nil }
func (s *batching[K, V]) Writer(context.Context, Task) (Writer[K, V], error) {
	return NewBatchWriter(s.write, s.options), nil
}

// NewBatchWriter returns a writer as those of [Batch], for sinks that have more to do than to write.
func NewBatchWriter[K, V any](write func(ctx context.Context, records []weir.Record[K, V]) error, options BatchOptions) Writer[K, V] {
	return &batchWriter[K, V]{write: write, options: options.withDefaults()}
}

type batchWriter[K, V any] struct {
	write   func(context.Context, []weir.Record[K, V]) error
	options BatchOptions
	records []weir.Record[K, V]
	written int // of records
}

func (w *batchWriter[K, V]) Add(_ context.Context, r *weir.Record[K, V]) error {
	w.records = append(w.records, *r)
	kept := &w.records[len(w.records)-1]
	origin := *r.Origin
	kept.Origin, kept.Headers = &origin, copyHeaders(r.Headers)
	return nil
}

// copyHeaders copies the values too: they lie in a fetch buffer.
func copyHeaders(headers []weir.Header) []weir.Header {
	out := slices.Clone(headers)
	for i := range out {
		out[i].Value = slices.Clone(out[i].Value)
	}
	return out
}

func (w *batchWriter[K, V]) Flush(ctx context.Context, _ Checkpoint) error {
	for w.written < len(w.records) {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		next := w.records[w.written:min(len(w.records), w.written+w.options.MaxRecords)]
		if err := w.write(ctx, next); err != nil {
			return err
		}
		w.written += len(next)
	}
	w.Discard()
	return nil
}

func (w *batchWriter[K, V]) Full() bool { return len(w.records) >= w.options.HoldRecords }

func (w *batchWriter[K, V]) Discard() {
	clear(w.records) // what they refer to
	w.records, w.written = w.records[:0], 0
}

func (w *batchWriter[K, V]) Close() error {
	w.records, w.written = nil, 0
	return nil
}
