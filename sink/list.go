package sink

import (
	"context"
	"sync"

	"github.com/weirstreams/weir"
)

// List is a sink that keeps records in memory, for tests and for looking at a stream. The zero value is ready for use.
type List[K, V any] struct {
	mu      sync.Mutex // guards records
	records []weir.Record[K, V]
}

// Records returns the written records, in order for each task. Checkpoints write them. Any goroutine may call it.
func (l *List[K, V]) Records() []weir.Record[K, V] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records[:len(l.records):len(l.records)]
}

// Connect implements [Sink].
func (*List[K, V]) Connect(context.Context) error { return nil }

// Close implements [Sink].
func (*List[K, V]) Close(context.Context) error { return nil }

// Writer implements [Sink].
func (l *List[K, V]) Writer(context.Context, Task) (Writer[K, V], error) {
	return NewBatchWriter(func(_ context.Context, records []weir.Record[K, V]) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.records = append(l.records, records...)
		return nil
	}, BatchOptions{AtCheckpoint: true}), nil
}
