package stream

import (
	"context"

	"github.com/weirstreams/weir"
)

// Peek calls f for each value and passes the record on unchanged.
func (s Stream[K, V]) Peek(f func(V)) Stream[K, V] {
	return s.peek(func(_ context.Context, r *weir.Record[K, V]) error { f(r.Value); return nil }).checked(f == nil)
}

// PeekRecord is Peek with a function of the whole record that can fail.
func (s Stream[K, V]) PeekRecord(f func(context.Context, weir.Record[K, V]) error) Stream[K, V] {
	return s.peek(func(ctx context.Context, r *weir.Record[K, V]) error { return f(ctx, *r) }).checked(f == nil)
}

func (s Stream[K, V]) peek(f func(context.Context, *weir.Record[K, V]) error) Stream[K, V] {
	return s.watch("peek", "", f)
}
