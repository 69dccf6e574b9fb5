package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/operator"
)

// FlatMap turns each value into any number of values, which follow each other in order. Key, time and headers are kept.
func (s Stream[K, V]) FlatMap[W any](f func(V) []W) Stream[K, W] {
	return s.flatMap(func(_ context.Context, r *weir.Record[K, V]) ([]W, error) { return f(r.Value), nil }).checked(f == nil)
}

// FlatMapRecord is FlatMap with a function of the whole record that can fail. A record emits nothing if its call fails.
func (s Stream[K, V]) FlatMapRecord[W any](f func(context.Context, weir.Record[K, V]) ([]W, error)) Stream[K, W] {
	return s.flatMap(func(ctx context.Context, r *weir.Record[K, V]) ([]W, error) { return f(ctx, *r) }).checked(f == nil)
}

func (s Stream[K, V]) flatMap[W any](f func(context.Context, *weir.Record[K, V]) ([]W, error)) Stream[K, W] {
	return s.operate("flatmap", func(env *operator.Env, node int, next operator.Receiver[K, W]) operator.Receiver[K, V] {
		return &operator.FlatMap[K, V, W]{Env: env, Node: node, F: f, Next: next}
	})
}
