package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/store"
)

// FilterState is Filter with state that belongs to the record's key. The rules of MapState for state hold here too.
func (s Stream[K, V]) FilterState[T any](stores store.Handle[T], f func(T, V) bool) Stream[K, V] {
	return s.filterState(stores, func(_ context.Context, t T, r *weir.Record[K, V]) (bool, error) {
		return f(t, r.Value), nil
	}).checked(f == nil)
}

// FilterStateRecord is FilterState with a function of the whole record that can fail.
func (s Stream[K, V]) FilterStateRecord[T any](stores store.Handle[T], f func(context.Context, T, weir.Record[K, V]) (bool, error)) Stream[K, V] {
	return s.filterState(stores, func(ctx context.Context, t T, r *weir.Record[K, V]) (bool, error) {
		return f(ctx, t, *r)
	}).checked(f == nil)
}

func (s Stream[K, V]) filterState[T any](stores store.Handle[T], f func(context.Context, T, *weir.Record[K, V]) (bool, error)) Stream[K, V] {
	return s.stateful("filterstate", stores, s.key, func(env *operator.Env, node int, next operator.Receiver[K, V]) (operator.Receiver[K, V], error) {
		return operator.NewFilterState(env, node, stores, s.key, f, next)
	})
}
