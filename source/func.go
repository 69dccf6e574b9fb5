package source

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/inline"
	"github.com/weirstreams/weir/internal/panics"
)

// Emit takes the next record of a [Func], with the position behind it. It waits while the records before are not written, and returns an
// error when the function is to end: it should return that. A nil position leaves the one before as it is. The memory of record and
// position belongs to Emit.
type Emit[K, V any] func(r weir.Record[K, V], position []byte) error

// Func returns a source of one split that a function reads. The function gets the position of the last record that was committed, nil at
// first, and goes on behind it. The source is at its end when it returns nil. After an error it is called again, as the retry policy says. It
// runs on a goroutine of its own and must return when ctx ends.
//
// It is exactly once in an application that is, if the function gives the same records behind the same position. Without positions it
// begins from the start after each restart.
func Func[K, V any](read func(ctx context.Context, position []byte, emit Emit[K, V]) error) Source[K, V] {
	return &funcSource[K, V]{read}
}

// single is the split of a source that cannot be divided.
const single = "all"

type funcSource[K, V any] struct {
	read func(ctx context.Context, position []byte, emit Emit[K, V]) error
}

func (s *funcSource[K, V]) Connect(context.Context) error {
	if s.read == nil {
		return fmt.Errorf("%w: the function of the source is nil", weir.ErrConfiguration)
	}
	return nil
}

func (s *funcSource[K, V]) Close(context.Context) error { return nil }
func (s *funcSource[K, V]) Slots() int32                { return 1 }

func (s *funcSource[K, V]) Splits(context.Context, func(string) bool) ([]Split, error) {
	return []Split{{ID: single}}, nil
}

func (s *funcSource[K, V]) Open(ctx context.Context, task Task, _ Split, position []byte) (Reader[K, V], error) {
	r := &funcReader[K, V]{limit: funcRecords, ended: make(chan struct{}), came: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	if task.BatchRecords > 0 {
		r.limit = min(r.limit, task.BatchRecords)
	}
	if inline.In(ctx) {
		r.limit = 1 // so that batches do not depend on the speed of the goroutine
	}
	var run context.Context
	run, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go r.run(run, s.read, position)
	return r, nil
}

// funcRecords is how many records of a function wait for Read at most.
const funcRecords = 500

// funcReader is the reader of a function, which runs on a goroutine of its own.
type funcReader[K, V any] struct {
	limit  int
	cancel context.CancelFunc
	ended  chan struct{} // closed when the function has returned
	// came and room hold one signal each: a record came, or there is room for another.
	came, room chan struct{}

	mu       sync.Mutex // guards the fields below
	records  []weir.Record[K, V]
	position []byte
	err      error // of the function
}

func (r *funcReader[K, V]) run(ctx context.Context, read func(context.Context, []byte, Emit[K, V]) error, position []byte) {
	defer close(r.ended)
	err := panics.Call(func() error {
		return read(ctx, position, func(record weir.Record[K, V], position []byte) error { return r.emit(ctx, record, position) })
	})
	if err == io.EOF { //nolint:errorlint // Read must not return this one
		err = fmt.Errorf("the function has ended with %w, and has to return nil at the end of the data", err)
	}
	r.mu.Lock()
	r.err = err
	r.mu.Unlock()
}

func (r *funcReader[K, V]) emit(ctx context.Context, record weir.Record[K, V], position []byte) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.mu.Lock()
		room := len(r.records) < r.limit
		if room {
			r.records = append(r.records, record)
			if position != nil {
				r.position = position
			}
		}
		r.mu.Unlock()
		if room {
			signal(r.came)
			return nil
		}
		select {
		case <-r.room:
		case <-ctx.Done():
		}
	}
}

func (r *funcReader[K, V]) Read(ctx context.Context, into *Batch[K, V]) error {
	for {
		ended := false
		select {
		case <-r.ended: // before the look at the records: those that came before the end are there then
			ended = true
		default:
		}
		r.mu.Lock()
		n := len(r.records)
		into.Records = append(into.Records, r.records...)
		into.Position, r.position = r.position, nil
		clear(r.records)
		r.records = r.records[:0]
		err := r.err
		r.mu.Unlock()
		switch {
		case n > 0:
			signal(r.room)
			return nil
		case ended && err == nil:
			return io.EOF
		case ended:
			return err
		}
		select {
		case <-r.came:
		case <-r.ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (r *funcReader[K, V]) Acknowledge(context.Context, []byte) error { return nil }

// Close tells the function to end, and waits for it.
func (r *funcReader[K, V]) Close() error {
	r.cancel()
	<-r.ended
	return nil
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
