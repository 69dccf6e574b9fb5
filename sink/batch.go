package sink

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
	"unsafe"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/measure"
)

// BatchOptions configures [Batch]. The zero value is right for most targets.
type BatchOptions struct {
	// MaxRecords is how many records one call of the function gets at most. 0 means 1,000.
	MaxRecords int
	// MaxBytes bounds the size of the records of one call, by Size. A single record may be larger. 0 means any size.
	MaxBytes int64
	// HoldRecords is how many records a task may hold in memory before it asks for a checkpoint. 0 means 10,000.
	HoldRecords int
	// HoldBytes is the size of the records, by Size, that a task may hold before it asks for a checkpoint. 0 means 64 MiB.
	HoldBytes int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime
	// (Config.Checkpoint.Interval). It is looked at about once in a second while no records come.
	MaxAge time.Duration
	// Size returns the size of a key and a value in bytes, as the target counts it. nil means an estimate of their memory.
	Size func(key, value any) int
	// Now is the clock of MaxAge: Task.Now, for instance. nil means time.Now.
	Now func() time.Time
}

const (
	defaultMaxRecords  = 1000
	defaultHoldRecords = 10_000
	defaultHoldBytes   = 64 << 20
)

func (o BatchOptions) withDefaults() BatchOptions {
	if o.MaxRecords <= 0 {
		o.MaxRecords = defaultMaxRecords
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = math.MaxInt64
	}
	if o.HoldRecords <= 0 {
		o.HoldRecords = defaultHoldRecords
	}
	if o.HoldBytes <= 0 {
		o.HoldBytes = defaultHoldBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Batch returns a sink that collects the records of each task between two checkpoints, and hands them to write before the
// second, in order. Records are copied, without the targets of pointers in keys and values, which must not be changed. The slice
// is valid until write returns.
//
// write is called by the goroutines of several tasks at once. When it has returned nil, its records are not handed to it again
// unless they are processed again. After a [weir.RetryLaterError] it is called again with the same records, later. After
// a [RecordErrors], with indices of its argument, the error policy (Config.Errors) decides about those records; the others count as written. Any
// other error ends the run: see [weir.Retry] for calls that are worth another attempt at once.
func Batch[K, V any](write func(ctx context.Context, records []weir.Record[K, V]) error, options BatchOptions) Sink[K, V] {
	return &batching[K, V]{write: write, options: options.withDefaults()}
}

type batching[K, V any] struct {
	write   func(context.Context, []weir.Record[K, V]) error
	options BatchOptions
}

func (*batching[K, V]) Connect(context.Context) error { return nil }
func (*batching[K, V]) Close(context.Context) error   { return nil }
func (s *batching[K, V]) Writer(_ context.Context, task Task) (Writer[K, V], error) {
	options := s.options
	if task.Now != nil {
		options.Now = task.Now
	}
	return NewBatchWriter(s.write, options), nil
}

// NewBatchWriter returns a writer as those of [Batch], for sinks that have more to do than to write.
func NewBatchWriter[K, V any](write func(ctx context.Context, records []weir.Record[K, V]) error, options BatchOptions) Writer[K, V] {
	return &batchWriter[K, V]{write: write, options: options.withDefaults(), key: measure.Of[K](), value: measure.Of[V]()}
}

type batchWriter[K, V any] struct {
	write   func(context.Context, []weir.Record[K, V]) error
	options BatchOptions
	key     func(*K) int
	value   func(*V) int
	records []weir.Record[K, V]
	sizes   []int // of records
	written int   // of records
	// held is the sum of sizes, and since the time when the first record was added.
	held  int64
	since time.Time
}

func (w *batchWriter[K, V]) Add(_ context.Context, r *weir.Record[K, V]) error {
	if len(w.records) == 0 && w.options.MaxAge > 0 {
		w.since = w.options.Now()
	}
	w.records = append(w.records, *r)
	kept := &w.records[len(w.records)-1]
	origin := *r.Origin
	kept.Origin, kept.Headers = &origin, copyHeaders(r.Headers)
	size := w.size(kept)
	w.sizes = append(w.sizes, size)
	w.held += int64(size)
	return nil
}

// size returns the size of a record, headers included.
func (w *batchWriter[K, V]) size(r *weir.Record[K, V]) int {
	var n int
	if w.options.Size != nil {
		n = w.options.Size(r.Key, r.Value)
	} else {
		n = int(unsafe.Sizeof(*r) + unsafe.Sizeof(*r.Origin))
		if w.key != nil {
			n += w.key(&r.Key)
		}
		if w.value != nil {
			n += w.value(&r.Value)
		}
	}
	for i := range r.Headers {
		n += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return n
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
		next := w.records[w.written : w.written+w.fitting()]
		err := w.write(ctx, next)
		refused, ok := errors.AsType[RecordErrors](err)
		if err != nil && !ok {
			return err
		}
		w.written += len(next)
		if err != nil {
			return refusedOf(next, refused)
		}
	}
	w.Discard()
	return nil
}

// fitting returns how many of the next records one call gets: at least one.
func (w *batchWriter[K, V]) fitting() int {
	left := w.sizes[w.written:min(len(w.records), w.written+w.options.MaxRecords)]
	bytes := int64(0)
	for i, size := range left {
		if bytes += int64(size); i > 0 && bytes > w.options.MaxBytes {
			return i
		}
	}
	return len(left)
}

// refusedOf returns the errors of records of a batch with the origins of these.
func refusedOf[K, V any](batch []weir.Record[K, V], refused RecordErrors) error {
	located := slices.Clone(refused)
	for i := range located {
		r := &located[i]
		if r.Index < 0 || r.Index >= len(batch) {
			return fmt.Errorf("an error of record %d of a batch of %d records: %w", r.Index, len(batch), r.Err)
		}
		r.Origin = *batch[r.Index].Origin
	}
	return located
}

func (w *batchWriter[K, V]) Full() bool {
	if len(w.records) == 0 {
		return false
	}
	return len(w.records) >= w.options.HoldRecords || w.held >= w.options.HoldBytes ||
		w.options.MaxAge > 0 && w.options.Now().Sub(w.since) >= w.options.MaxAge
}

func (w *batchWriter[K, V]) Discard() {
	clear(w.records) // what they refer to
	w.records, w.sizes, w.written, w.held = w.records[:0], w.sizes[:0], 0, 0
}

func (w *batchWriter[K, V]) Close() error {
	w.records, w.sizes, w.written, w.held = nil, nil, 0, 0
	return nil
}
