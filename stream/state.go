package stream

import (
	"context"

	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/store"
)

// MapState is Map with a cell that holds state of the record's key. The function must not keep the cell. Records with a
// null key are skipped and counted.
func (s Stream[K, V]) MapState[S, W any](cell *store.CellHandle[S], f func(*store.Cell[S], V) W) Stream[K, W] {
	return s.mapState(cell, func(_ context.Context, c *store.Cell[S], r *Record[K, V]) (W, error) {
		return f(c, r.Value), nil
	}).checked(f == nil)
}

// MapStateRecord is MapState with a function of the whole record.
func (s Stream[K, V]) MapStateRecord[S, W any](cell *store.CellHandle[S], f func(*store.Cell[S], Record[K, V]) W) Stream[K, W] {
	return s.mapState(cell, func(_ context.Context, c *store.Cell[S], r *Record[K, V]) (W, error) {
		return f(c, *r), nil
	}).checked(f == nil)
}

// TryMapState is MapState with a function that can fail. What it has set when it fails stays set if the error policy goes
// on: fail first.
func (s Stream[K, V]) TryMapState[S, W any](cell *store.CellHandle[S], f func(context.Context, *store.Cell[S], V) (W, error)) Stream[K, W] {
	return s.mapState(cell, func(ctx context.Context, c *store.Cell[S], r *Record[K, V]) (W, error) {
		return f(ctx, c, r.Value)
	}).checked(f == nil)
}

// TryMapStateRecord is MapState with a function of the whole record that can fail.
func (s Stream[K, V]) TryMapStateRecord[S, W any](cell *store.CellHandle[S], f func(context.Context, *store.Cell[S], Record[K, V]) (W, error)) Stream[K, W] {
	return s.mapState(cell, func(ctx context.Context, c *store.Cell[S], r *Record[K, V]) (W, error) {
		return f(ctx, c, *r)
	}).checked(f == nil)
}

func (s Stream[K, V]) mapState[S, W any](cell *store.CellHandle[S], f func(context.Context, *store.Cell[S], *Record[K, V]) (W, error)) Stream[K, W] {
	n := &graph.Node{Kind: "mapstate"}
	if cell != nil {
		n.Detail, n.Stores = cell.Name(), []string{cell.Name()}
	}
	out := s.then(n, s.key, func(env *operator.Env, node int, next operator.Receiver[K, W]) (operator.Receiver[K, V], error) {
		return operator.NewMapState(env, node, cell, s.key, f, next)
	})
	if cell == nil {
		s.topology.graph.Find(n, "the cell is nil")
	}
	return out
}
