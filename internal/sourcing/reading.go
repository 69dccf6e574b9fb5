package sourcing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/panics"
	"github.com/weirstreams/weir/source"
)

const (
	// maxPosition is the greatest length of a position, so that the changelog takes it.
	maxPosition = 256 << 10
	// acknowledgeTimeout is how long a call of Acknowledge may take.
	acknowledgeTimeout = 10 * time.Second
	// untilSignal is the wait of a reader that has nothing to do until it gets a signal.
	untilSignal = time.Duration(1<<63 - 1)
)

// filled is a batch of a split. end says that the split is at its end behind it.
type filled[K, V any] struct {
	batch *source.Batch[K, V]
	end   bool
}

// reading is an open split. act and the fields above mu belong to the goroutine of the split or, if there is none, to that of the worker.
type reading[K, V any] struct {
	slot  *Slot[K, V]
	split source.Split
	task  source.Task
	// after is closed when the former reader of the split is; nil if there was none.
	after  <-chan struct{}
	cancel context.CancelFunc
	done   chan struct{} // closed when the reader is closed and the goroutine has ended

	reader source.Reader[K, V]
	// position is the one behind the last batch in the queue.
	position []byte
	failures int
	notUntil time.Time // of the next call of Open or Read
	ended    bool      // Read has returned io.EOF, or has failed for good

	mu      sync.Mutex // guards the fields below
	queue   []filled[K, V]
	records int
	bytes   int64
	free    []*source.Batch[K, V]
	// toAcknowledge is a committed position, if acknowledge is set.
	toAcknowledge []byte
	acknowledge   bool
	failing       error // of the last call, if it is to be made again
	failed        error // for good
	failedCalls   int64

	signal chan struct{} // holds one: there is room, or a position to acknowledge

	// The fields below belong to the worker: the open split as it sees it.

	// moved is set from when records were handed on until they are committed, and endTaken if the end was.
	moved, endTaken bool
	// handed is how many records were handed on in whole batches since the last checkpoint.
	handed int
	report splitReport
}

func newReading[K, V any](s *Slot[K, V], split source.Split, position []byte, after <-chan struct{}) *reading[K, V] {
	task := s.task
	task.Logger = task.Logger.With("split", split.ID)
	r := &reading[K, V]{
		slot: s, split: split, task: task, after: after, position: position, done: make(chan struct{}), signal: make(chan struct{}, 1),
	}
	r.report = splitReport{id: split.ID, position: position, behind: -1}
	ctx, cancel := context.WithCancel(s.ctx)
	r.cancel = cancel
	if !s.inline() {
		go r.run(ctx)
	}
	return r
}

// run is the goroutine of the split.
func (r *reading[K, V]) run(ctx context.Context) {
	defer close(r.done)
	defer r.cancel()
	defer r.closeReader(ctx)
	if r.after != nil {
		select { // it must not read while another reader of the split does
		case <-r.after:
		case <-ctx.Done():
			return
		}
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		wait := r.act(ctx)
		if wait <= 0 {
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-r.signal:
		case <-ctx.Done():
		}
	}
}

// act does one piece of work, and returns how long there is none then.
func (r *reading[K, V]) act(ctx context.Context) (wait time.Duration) {
	r.acknowledgeDue(ctx)
	if wait := r.notUntil.Sub(r.task.Now()); wait > 0 {
		return wait
	}
	if r.ended || !r.hasRoom() {
		return untilSignal
	}
	if r.reader == nil {
		if err := r.open(ctx); err != nil {
			return r.fail(ctx, "open", err)
		}
	}
	if may := r.slot.env.MayRead; may != nil && !may() {
		return untilSignal
	}
	return r.read(ctx)
}

func (r *reading[K, V]) open(ctx context.Context) error {
	return panics.Call(func() (err error) {
		r.reader, err = r.slot.from.Open(ctx, r.task, r.split, r.position)
		if err == nil && r.reader == nil {
			err = errors.New("the source has returned no reader")
		}
		return err
	})
}

// read makes one call of Read.
func (r *reading[K, V]) read(ctx context.Context) (wait time.Duration) {
	batch := r.emptyBatch()
	err := panics.Call(func() error { return r.reader.Read(ctx, batch) })
	later, isLater := errors.AsType[*weir.RetryLaterError](err)
	end := err == io.EOF //nolint:errorlint // an error that wraps it is one of a connection, or of a record
	switch {
	case err == nil, end, isLater:
	case ctx.Err() != nil:
		return 0 // the split is given up
	default:
		r.closeReader(ctx)
		return r.fail(ctx, "read", err)
	}
	if len(batch.Position) > maxPosition {
		return r.fail(ctx, "read", fmt.Errorf("%w: it has %d bytes, and %d is the limit", errPosition, len(batch.Position), maxPosition))
	}
	r.failures = 0
	if batch.Position != nil {
		r.position = batch.Position
	}
	r.ended = end
	r.push(filled[K, V]{batch, end})
	if isLater {
		wait = later.Wait()
		r.notUntil = r.task.Now().Add(wait)
	}
	return wait
}

var errPosition = errors.New("the position is too long")

// push queues a batch.
func (r *reading[K, V]) push(f filled[K, V]) {
	r.mu.Lock()
	r.failing = nil
	if len(f.batch.Records) == 0 && f.batch.Position == nil && !f.end {
		r.free = append(r.free, f.batch)
		r.mu.Unlock()
		return
	}
	r.queue = append(r.queue, f)
	r.records += len(f.batch.Records)
	r.bytes += f.batch.Bytes
	r.mu.Unlock()
	r.slot.wake()
}

// fail notes the failure of a call, and returns how long to wait before the next.
func (r *reading[K, V]) fail(ctx context.Context, doing string, err error) time.Duration {
	if ctx.Err() != nil {
		return 0
	}
	if _, later := errors.AsType[*weir.RetryLaterError](err); !later {
		r.failures++
	}
	wait, again := r.slot.options.Retry.Next(r.failures, err)
	again = again && !errors.Is(err, errPosition)
	r.mu.Lock()
	r.failedCalls++
	r.failing = err
	if !again {
		r.failed = &source.Error{Source: r.task.Source, Split: r.split.ID, Doing: doing, Attempts: r.failures, Err: err}
	}
	r.mu.Unlock()
	if !again {
		r.ended = true
		r.slot.wake()
		return untilSignal
	}
	r.task.Logger.Warn("a split could not be read; trying again", "doing", doing, "failures", r.failures, "wait", wait, "error", err)
	r.notUntil = r.task.Now().Add(wait)
	return wait
}

// acknowledgeDue acknowledges the last committed position, once.
func (r *reading[K, V]) acknowledgeDue(ctx context.Context) {
	r.mu.Lock()
	position, due := r.toAcknowledge, r.acknowledge && r.reader != nil
	if due {
		r.acknowledge, r.toAcknowledge = false, nil
	}
	r.mu.Unlock()
	if !due {
		return
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), acknowledgeTimeout)
	defer cancel()
	if err := panics.Call(func() error { return r.reader.Acknowledge(bounded, position) }); err != nil {
		r.task.Logger.Warn("a committed position could not be acknowledged; the records are not written again for it", "error", err)
		r.mu.Lock()
		r.failedCalls++
		r.mu.Unlock()
	}
}

// closeReader closes the reader, if there is one, after a last acknowledgement.
func (r *reading[K, V]) closeReader(ctx context.Context) {
	if r.reader == nil {
		return
	}
	r.acknowledgeDue(ctx)
	if err := panics.Call(r.reader.Close); err != nil {
		r.task.Logger.Warn("closing the reader of a split failed", "error", err)
	}
	r.reader = nil
}

// hasRoom reports whether the queue takes another batch.
func (r *reading[K, V]) hasRoom() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records < r.slot.options.QueueRecords && r.bytes < r.slot.options.QueueBytes && len(r.queue) < r.slot.options.QueueRecords
}

func (r *reading[K, V]) emptyBatch() *source.Batch[K, V] {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.free)
	if n == 0 {
		return &source.Batch[K, V]{Behind: -1}
	}
	b := r.free[n-1]
	r.free = r.free[:n-1]
	b.Reset()
	return b
}

// The methods below are called by the worker.

// pop returns the next batch of the queue, and whether there are more.
func (r *reading[K, V]) pop() (f filled[K, V], ok, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return f, false, false
	}
	f = r.queue[0]
	r.queue[0] = filled[K, V]{}
	r.queue = r.queue[1:]
	return f, true, len(r.queue) > 0
}

// isEmpty reports whether nothing is queued, and no call is to be made again.
func (r *reading[K, V]) isEmpty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue) == 0 && r.failing == nil
}

// release gives the memory of a popped batch back, and its room in the queue.
func (r *reading[K, V]) release(b *source.Batch[K, V]) {
	r.mu.Lock()
	r.records -= len(b.Records)
	r.bytes -= b.Bytes
	if len(r.free) < 4 {
		r.free = append(r.free, b)
	}
	r.mu.Unlock()
	r.notify()
}

// committed tells the reader that a position is committed.
func (r *reading[K, V]) committed(position []byte) {
	r.mu.Lock()
	r.toAcknowledge, r.acknowledge = position, true
	r.mu.Unlock()
	r.notify()
}

// notify wakes the goroutine.
func (r *reading[K, V]) notify() {
	select {
	case r.signal <- struct{}{}:
	default:
	}
}

// stop tells the reader to end. Without a goroutine it ends at once.
func (r *reading[K, V]) stop() {
	if r.slot.inline() {
		select {
		case <-r.done:
		default:
			r.closeReader(r.slot.ctx)
			close(r.done)
		}
	}
	r.cancel()
}

// status returns the number of calls that have failed, the error of the last call, if it is to be made again, and the error that ends the
// reading.
func (r *reading[K, V]) status() (failedCalls int64, failing, failed error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failedCalls, r.failing, r.failed
}
