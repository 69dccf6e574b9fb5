package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/background"
	"github.com/weirstreams/weir/internal/measure"
	"github.com/weirstreams/weir/internal/panics"
)

// NewBatchWriter returns a writer as those of [Batch], for sinks that have more to do than to write.
func NewBatchWriter[K, V any](write func(ctx context.Context, records []weir.Record[K, V]) error, options BatchOptions) Writer[K, V] {
	w := &batchWriter[K, V]{write: write, options: options.withDefaults(), key: measure.Of[K](), value: measure.Of[V]()}
	w.filling = &batch[K, V]{}
	return w
}

// batch is the records of one call.
type batch[K, V any] struct {
	records []weir.Record[K, V]
	bytes   int64
	since   time.Time // when the first record was added, if there is a MaxAge
}

// batchWriter has one batch that takes records and a queue of batches that are to be written, in order. A job beside the task writes full
// batches until the queue is empty. Flush lets it finish the batch in its hands, and writes the rest itself, so two batches are never
// written at once. After an error the job ends, and Flush returns the error.
type batchWriter[K, V any] struct {
	write   func(context.Context, []weir.Record[K, V]) error
	options BatchOptions
	key     measure.Measurer[K]
	value   measure.Measurer[V]

	// The goroutine of the task owns filling and job; job is the last one that was begun, and cancel ends its context.
	filling *batch[K, V]
	origins []weir.Origin // memory for those of next records
	job     *background.Job
	cancel  context.CancelCauseFunc

	mu    sync.Mutex // guards the following
	queue []*batch[K, V]
	// records and bytes are those of the queue. spare are batches to be used again.
	records int
	bytes   int64
	spare   []*batch[K, V]
	// running is set while the job may write another batch, halting when it must not. err is its error.
	running, halting bool
	err              error
	cut              *cut // the last one, nil if nobody asks for it any more
}

// cut is the batches of a checkpoint that is made while the next records come.
type cut struct {
	left  int    // batches that are not written
	ended func() // called once, without the lock
}

func (w *batchWriter[K, V]) Add(ctx context.Context, r *weir.Record[K, V]) error {
	size := int64(w.size(r))
	if b := w.filling; len(b.records) > 0 && b.bytes+size > w.options.MaxBytes {
		w.handOver(ctx)
	}
	b := w.filling
	if len(b.records) == 0 && w.options.MaxAge > 0 {
		b.since = w.options.Now()
	}
	b.records = append(b.records, *r)
	kept := &b.records[len(b.records)-1]
	if len(w.origins) == 0 {
		w.origins = make([]weir.Origin, min(max(16, len(b.records)), 256))
	}
	w.origins[0] = *r.Origin
	kept.Origin, kept.Headers = &w.origins[0], copyHeaders(r.Headers)
	w.origins = w.origins[1:]
	if b.bytes += size; len(b.records) >= w.options.MaxRecords || b.bytes >= w.options.MaxBytes {
		w.handOver(ctx)
	}
	return nil
}

// size returns the size of a record, headers included.
func (w *batchWriter[K, V]) size(r *weir.Record[K, V]) int {
	var n int
	if w.options.Size != nil {
		n = w.options.Size(r.Key, r.Value)
	} else {
		n = int(unsafe.Sizeof(*r) + unsafe.Sizeof(*r.Origin))
		if w.key.Refers() {
			n += w.key.Bytes(&r.Key)
		}
		if w.value.Refers() {
			n += w.value.Bytes(&r.Value)
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

// handOver puts the full batch into the queue, and begins a job if none runs.
func (w *batchWriter[K, V]) handOver(ctx context.Context) {
	w.mu.Lock()
	w.enqueue()
	begins := !w.options.AtCheckpoint && !w.running && w.err == nil
	w.running = w.running || begins
	w.mu.Unlock()
	if !begins {
		return
	}
	// The end of ctx does not end the job, as the last checkpoint may need its batch; Flush, Discard and Close do.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	w.cancel = cancel
	w.job = background.Go(ctx, func() {
		defer cancel(nil)
		w.writeQueue(ctx)
	})
}

// enqueue puts the batch that takes records into the queue, and takes another one. It is called with the lock.
func (w *batchWriter[K, V]) enqueue() {
	if len(w.filling.records) == 0 {
		return
	}
	w.queue = append(w.queue, w.filling)
	w.records += len(w.filling.records)
	w.bytes += w.filling.bytes
	if n := len(w.spare); n > 0 {
		w.filling, w.spare = w.spare[n-1], w.spare[:n-1]
	} else {
		w.filling = &batch[K, V]{records: make([]weir.Record[K, V], 0, cap(w.filling.records))}
	}
}

var errGoexit = errors.New("the function that writes a batch has ended its goroutine")

// writeQueue writes batches beside the task until there is none, Flush takes over, or one fails.
func (w *batchWriter[K, V]) writeQueue(ctx context.Context) {
	var err error
	returned := false
	defer func() {
		if p := recover(); p != nil {
			err = panics.Error(p)
		} else if !returned {
			err = errGoexit
		}
		if err != nil {
			w.mu.Lock()
			w.running, w.err = false, err
			c := w.cut
			w.mu.Unlock()
			c.end()
		}
	}()
	for err == nil {
		b := w.next()
		if b == nil {
			break
		}
		err = w.writeFirst(ctx, b)
	}
	returned = true
}

// next returns the first batch of the queue for the job, or nil if the job is to end.
func (w *batchWriter[K, V]) next() *batch[K, V] {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.halting || len(w.queue) == 0 {
		w.running = false
		return nil
	}
	return w.queue[0]
}

// writeFirst writes the first batch of the queue. The batch leaves the queue unless it has to be written again.
func (w *batchWriter[K, V]) writeFirst(ctx context.Context, b *batch[K, V]) error {
	err := w.write(ctx, b.records)
	if refused, ok := errors.AsType[RecordErrors](err); ok {
		err = refusedOf(b.records, refused)
	} else if err != nil {
		return err
	}
	w.leave(b, err == nil)
	return err
}

// leave takes the first batch out of the queue. It is written if all its records are.
func (w *batchWriter[K, V]) leave(b *batch[K, V], written bool) {
	w.mu.Lock()
	w.queue = slices.Delete(w.queue, 0, 1)
	w.records -= len(b.records)
	w.bytes -= b.bytes
	b.clear()
	w.spare = append(w.spare, b)
	c := w.cut
	last := false
	if written && c != nil && c.left > 0 {
		c.left--
		last = c.left == 0
	}
	w.mu.Unlock()
	if last {
		c.end()
	}
}

// Cut implements background.Cutter.
func (w *batchWriter[K, V]) Cut(ctx context.Context, ended func()) background.Cut {
	if w.options.AtCheckpoint {
		return nil
	}
	w.mu.Lock()
	c := &cut{left: len(w.queue), ended: sync.OnceFunc(ended)}
	if len(w.filling.records) > 0 {
		c.left++
	}
	w.cut = c
	idle := c.left == 0
	w.mu.Unlock()
	if !idle {
		w.handOver(ctx)
	}
	return func() background.Progress {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch {
		case c.left == 0:
			return background.Written
		case w.cut != c || w.err != nil:
			return background.Failed
		default:
			return background.Writing
		}
	}
}

// end tells of the end of a cut, if there is one.
func (c *cut) end() {
	if c != nil {
		c.ended()
	}
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

func (b *batch[K, V]) clear() {
	clear(b.records) // what they refer to
	b.records, b.bytes = b.records[:0], 0
}

func (w *batchWriter[K, V]) Flush(ctx context.Context, _ Checkpoint) error {
	w.mu.Lock()
	w.enqueue()
	w.cut = nil
	w.mu.Unlock()
	if err := w.halt(ctx); err != nil {
		return err
	}
	for len(w.queue) > 0 { // which is ours now
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := w.writeFirst(ctx, w.queue[0]); err != nil {
			return err
		}
	}
	return nil
}

// halt waits until the job has written the batch in its hands, and returns the error of the job. The end of ctx is that of the job.
func (w *batchWriter[K, V]) halt(ctx context.Context) error {
	if w.job != nil {
		w.mu.Lock()
		w.halting = true
		w.mu.Unlock()
		if w.job.Wait(ctx) != nil {
			w.stop(context.Cause(ctx))
		}
		w.job, w.halting = nil, false
	}
	err := w.err
	w.err = nil
	if _, refused := errors.AsType[RecordErrors](err); err != nil && !refused && ctx.Err() != nil {
		return context.Cause(ctx) // the batch is still there
	}
	return err
}

// stop ends the context of the job, and waits for the job.
func (w *batchWriter[K, V]) stop(cause error) {
	if w.job == nil {
		return
	}
	w.cancel(cause)
	_ = w.job.Wait(context.Background()) // which does not end
}

func (w *batchWriter[K, V]) Full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	records := w.records + len(w.filling.records)
	if records == 0 {
		return w.err != nil
	}
	first := w.filling
	if len(w.queue) > 0 {
		first = w.queue[0]
	}
	return w.err != nil || records >= w.options.HoldRecords || w.bytes+w.filling.bytes >= w.options.HoldBytes ||
		w.options.MaxAge > 0 && w.options.Now().Sub(first.since) >= w.options.MaxAge
}

var errDiscarded = errors.New("the records of the batch are processed again, or their task has ended")

func (w *batchWriter[K, V]) Discard() {
	w.stop(errDiscarded)
	for _, b := range w.queue {
		b.clear()
	}
	w.spare = append(w.spare, w.queue...)
	clear(w.queue)
	w.filling.clear()
	w.queue, w.records, w.bytes = w.queue[:0], 0, 0
	w.job, w.err, w.cut, w.running = nil, nil, nil, false
}

func (w *batchWriter[K, V]) Close() error {
	w.Discard()
	w.filling, w.spare, w.queue = &batch[K, V]{}, nil, nil
	return nil
}
