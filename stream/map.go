package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/operator"
)

// Map turns each value into another. Key, time and headers are kept.
func (s Stream[K, V]) Map[W any](f func(V) W) Stream[K, W] {
	return s.operate("map", func(env *operator.Env, node int, next operator.Receiver[K, W]) operator.Receiver[K, V] {
		return &operator.Map[K, V, W]{Env: env, Node: node, F: f, Next: next}
	}).checked(f == nil)
}

// MapRecord is Map with a function of the whole record that can fail.
func (s Stream[K, V]) MapRecord[W any](f func(context.Context, weir.Record[K, V]) (W, error)) Stream[K, W] {
	return s.mapRecord(func(ctx context.Context, r *weir.Record[K, V]) (W, error) { return f(ctx, *r) }).checked(f == nil)
}

// MapWith is Map with a prepared function of the value that can fail, such as a change of package row:
//
//	readings.MapWith(row.Select("sensor", "temperature"))
func (s Stream[K, V]) MapWith[W any](f func(context.Context, V) (W, error)) Stream[K, W] {
	return s.mapRecord(func(ctx context.Context, r *weir.Record[K, V]) (W, error) { return f(ctx, r.Value) }).checked(f == nil)
}

func (s Stream[K, V]) mapRecord[W any](f func(context.Context, *weir.Record[K, V]) (W, error)) Stream[K, W] {
	return s.operate("map", func(env *operator.Env, node int, next operator.Receiver[K, W]) operator.Receiver[K, V] {
		return &operator.MapRecord[K, V, W]{Env: env, Node: node, F: f, Next: next}
	})
}
