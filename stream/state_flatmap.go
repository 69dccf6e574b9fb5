package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/store"
)

// FlatMapState is FlatMap with state that belongs to the record's key. The rules of MapState for state hold here too.
func (s Stream[K, V]) FlatMapState[T, W any](stores store.Handle[T], f func(T, V) []W) Stream[K, W] {
	return s.flatMapState(stores, func(_ context.Context, t T, r *weir.Record[K, V]) ([]W, error) {
		return f(t, r.Value), nil
	}).checked(f == nil)
}

// FlatMapStateRecord is FlatMapState with a function of the whole record that can fail. A record emits nothing if its call fails.
func (s Stream[K, V]) FlatMapStateRecord[T, W any](stores store.Handle[T], f func(context.Context, T, weir.Record[K, V]) ([]W, error)) Stream[K, W] {
	return s.flatMapState(stores, func(ctx context.Context, t T, r *weir.Record[K, V]) ([]W, error) {
		return f(ctx, t, *r)
	}).checked(f == nil)
}

func (s Stream[K, V]) flatMapState[T, W any](stores store.Handle[T], f func(context.Context, T, *weir.Record[K, V]) ([]W, error)) Stream[K, W] {
	return s.stateful("flatmapstate", stores, s.key, func(env *operator.Env, node int, next operator.Receiver[K, W]) (operator.Receiver[K, V], error) {
		return operator.NewFlatMapState(env, node, stores, s.key, f, next)
	})
}
