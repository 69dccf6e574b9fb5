package sink

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
)

// BatchOptions configures [Batch]. The zero value is right for most targets.
type BatchOptions struct {
	// MaxRecords is how many records one call of the function gets at most. 0 means 1,000.
	MaxRecords int
	// MaxBytes bounds the size of the records of one call, by Size. A single record may be larger. 0 means any size.
	MaxBytes int64
	// HoldRecords is how many unwritten records a task may hold in memory before it asks for a checkpoint, which waits until all of
	// them are written. 0 means 10,000.
	HoldRecords int
	// HoldBytes is the size of the unwritten records, by Size, that a task may hold before it asks for a checkpoint. 0 means 64 MiB.
	HoldBytes int64
	// MaxAge is how long a record may be unwritten before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime
	// (Config.Checkpoint.Interval). It is looked at about once in a second while no records come.
	MaxAge time.Duration
	// Size returns the size of a key and a value in bytes, as the target counts it. nil means an estimate of their memory.
	Size func(key, value any) int
	// Now is the clock of MaxAge: Task.Now, for instance. nil means time.Now.
	Now func() time.Time
	// AtCheckpoint keeps all records until the checkpoint. Else a full batch (MaxRecords, MaxBytes) is written while the task
	// processes the next records.
	AtCheckpoint bool
}

const (
	defaultMaxRecords  = 1000
	defaultHoldRecords = 10_000
	defaultHoldBytes   = 64 << 20
)

// Check returns an error for options that are negative. The Connect of a sink with options of this type calls it.
func (o BatchOptions) Check() error { return connector.Negative(o) }

func (o BatchOptions) withDefaults() BatchOptions {
	o.MaxRecords, o.MaxBytes = cmp.Or(o.MaxRecords, defaultMaxRecords), cmp.Or(o.MaxBytes, math.MaxInt64)
	o.HoldRecords, o.HoldBytes = cmp.Or(o.HoldRecords, defaultHoldRecords), cmp.Or(o.HoldBytes, defaultHoldBytes)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Batch returns a sink that collects the records of each task in batches, and hands them to write in order. A full batch is written
// while the task goes on with the next records, and the rest before the next checkpoint, which waits until everything is written.
// Records are copied, without the targets of pointers in keys and values, which must not be changed. The slice is valid until
// write returns.
//
// write is called by the goroutines of several tasks at once, and for each task once at a time, either by the goroutine that flushes
// or by one that the writer owns and waits for. It has to return soon when its context ends: partitions have to be given up, or the
// records are going to be processed again. When it has returned nil, its records are not handed to it again unless they are
// processed again; after a failure that is also possible for a batch that was written long before its checkpoint. After
// a [weir.RetryLaterError] it is called again with the same records, later. After a [RecordErrors], with indices of its argument,
// the error policy (Config.Errors) decides about those records; the others count as written. Any other error ends the run: see
// [weir.Retry] for calls that are worth another attempt at once. An error of a batch that was written early makes the task ask for a
// checkpoint at once, and comes out of that; no batch is written before.
func Batch[K, V any](write func(ctx context.Context, records []weir.Record[K, V]) error, options BatchOptions) Sink[K, V] {
	return &batching[K, V]{write: write, options: options.withDefaults()}
}

type batching[K, V any] struct {
	write   func(context.Context, []weir.Record[K, V]) error
	options BatchOptions
}

func (s *batching[K, V]) Connect(context.Context) error {
	if s.write == nil {
		return fmt.Errorf("%w: the function of sink.Batch is nil", weir.ErrConfiguration)
	}
	if err := s.options.Check(); err != nil {
		return fmt.Errorf("%w: sink.BatchOptions: %w", weir.ErrConfiguration, err)
	}
	return nil
}

func (*batching[K, V]) Close(context.Context) error { return nil }
func (s *batching[K, V]) Writer(_ context.Context, task Task) (Writer[K, V], error) {
	options := s.options
	if task.Now != nil {
		options.Now = task.Now
	}
	return NewBatchWriter(s.write, options), nil
}
