package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/store"
)

// MapState is Map with state that belongs to the record's key: a cell, a map or a group of stores. The function is given
// the stores, placed on the key, and must not keep them. Records with a null key are skipped and counted.
//
// Operators of one stream may use the same store; they share the state.
func (s Stream[K, V]) MapState[T, W any](stores store.Handle[T], f func(T, V) W) Stream[K, W] {
	return s.mapState(stores, func(_ context.Context, t T, r *weir.Record[K, V]) (W, error) {
		return f(t, r.Value), nil
	}).checked(f == nil)
}

// MapStateRecord is MapState with a function of the whole record that can fail. State that a failed call has set stays set if
// the error policy goes on: check for errors before the first write.
func (s Stream[K, V]) MapStateRecord[T, W any](stores store.Handle[T], f func(context.Context, T, weir.Record[K, V]) (W, error)) Stream[K, W] {
	return s.mapState(stores, func(ctx context.Context, t T, r *weir.Record[K, V]) (W, error) {
		return f(ctx, t, *r)
	}).checked(f == nil)
}

func (s Stream[K, V]) mapState[T, W any](stores store.Handle[T], f func(context.Context, T, *weir.Record[K, V]) (W, error)) Stream[K, W] {
	return s.stateful("mapstate", stores, s.key, func(env *operator.Env, node int, next operator.Receiver[K, W]) (operator.Receiver[K, V], error) {
		return operator.NewMapState(env, node, stores, s.key, f, next)
	})
}
