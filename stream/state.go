package stream

import (
	"context"
	"strings"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/store"
)

// MapState is Map with state that belongs to the record's key: a cell, a map or a group of stores. The function is given
// the stores, placed on the key, and must not keep them. Records with a null key are skipped and counted.
//
// Operators of one stream may use the same store; they share the state.
func (s Stream[K, V]) MapState[T, W any](stores store.Handle[T], f func(T, V) W) Stream[K, W] {
	return s.mapState(stores, func(_ context.Context, t T, r *Record[K, V]) (W, error) {
		return f(t, r.Value), nil
	}).checked(f == nil)
}

// MapStateRecord is MapState with a function of the whole record.
func (s Stream[K, V]) MapStateRecord[T, W any](stores store.Handle[T], f func(T, Record[K, V]) W) Stream[K, W] {
	return s.mapState(stores, func(_ context.Context, t T, r *Record[K, V]) (W, error) {
		return f(t, *r), nil
	}).checked(f == nil)
}

// TryMapState is MapState with a function that can fail. What it has set when it fails stays set if the error policy goes
// on: fail first.
func (s Stream[K, V]) TryMapState[T, W any](stores store.Handle[T], f func(context.Context, T, V) (W, error)) Stream[K, W] {
	return s.mapState(stores, func(ctx context.Context, t T, r *Record[K, V]) (W, error) {
		return f(ctx, t, r.Value)
	}).checked(f == nil)
}

// TryMapStateRecord is MapState with a function of the whole record that can fail.
func (s Stream[K, V]) TryMapStateRecord[T, W any](stores store.Handle[T], f func(context.Context, T, Record[K, V]) (W, error)) Stream[K, W] {
	return s.mapState(stores, func(ctx context.Context, t T, r *Record[K, V]) (W, error) {
		return f(ctx, t, *r)
	}).checked(f == nil)
}

func (s Stream[K, V]) mapState[T, W any](stores store.Handle[T], f func(context.Context, T, *Record[K, V]) (W, error)) Stream[K, W] {
	return s.stateful("mapstate", stores, s.key, func(env *operator.Env, node int, next operator.Receiver[K, W]) (operator.Receiver[K, V], error) {
		return operator.NewMapState(env, node, stores, s.key, f, next)
	})
}

// stateful is then for an operator with stores.
func (s Stream[K, V]) stateful[T, L, W any](kind graph.Kind, stores store.Handle[T], key codec.Codec[L], f build[K, V, L, W]) Stream[L, W] {
	n := &graph.Node{Kind: kind}
	var err error
	if stores != nil {
		err = declare(n, stores)
	}
	out := s.then(n, key, f)
	switch {
	case stores == nil:
		s.topology.graph.Find(n, "the store is nil")
	case err != nil:
		s.topology.graph.Find(n, "%v", err)
	}
	return out
}

// declare writes down the stores of a node.
func declare[T any](n *graph.Node, stores store.Handle[T]) error {
	uses, err := store.Declared(stores)
	n.Shared = map[string]any{}
	for _, u := range uses {
		n.Stores = append(n.Stores, u.Name)
		n.Shared[u.Name] = u.Handle
	}
	if n.Detail == "" {
		n.Detail = strings.Join(n.Stores, "+")
	}
	return err
}
