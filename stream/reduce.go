package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/ability"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/typename"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/window"
)

// Reduce combines the values of each key, in order of arrival: f is given the result of the values before,
// and the next value. The first value of a key is taken as it is. The result so far is emitted with each record, with
// its key, time and headers, and kept in the cell. Null values are dropped; records with a null key are skipped and
// counted. f must not change its arguments.
func (s Stream[K, V]) Reduce[F ~func(soFar, next V) V](cell *store.CellHandle[V], f F) Stream[K, V] {
	plain := (func(soFar, next V) V)(f) // the result of a call of an F is copied once more
	return reduce(s, cell, func(_ context.Context, soFar V, r *weir.Record[K, V]) (V, error) { return plain(soFar, r.Value), nil }).checked(f == nil)
}

// ReduceRecord is Reduce with a function that sees the whole next record and can fail.
func (s Stream[K, V]) ReduceRecord[F ~func(ctx context.Context, soFar V, next weir.Record[K, V]) (V, error)](
	cell *store.CellHandle[V], f F,
) Stream[K, V] {
	plain := (func(ctx context.Context, soFar V, next weir.Record[K, V]) (V, error))(f)
	return reduce(s, cell, func(ctx context.Context, soFar V, r *weir.Record[K, V]) (V, error) { return plain(ctx, soFar, *r) }).checked(f == nil)
}

func reduce[K, V any](s Stream[K, V], cell *store.CellHandle[V], f func(context.Context, V, *weir.Record[K, V]) (V, error)) Stream[K, V] {
	return s.stateful("reduce", cell, s.key, func(env *operator.Env, node int, next operator.Receiver[K, V]) (operator.Receiver[K, V], error) {
		return operator.NewReduce(env, node, cell, s.key, f, next)
	})
}

// Aggregate computes one result per key of all its records, without a window, and emits it with each record, with its key,
// time and headers. Aggregators are those of package window, but for those that collect values. Null values are dropped,
// unless the aggregator takes them; records with a null key are skipped and counted.
//
// The name is that of the store: renaming it starts from nothing. Another aggregator over the state is refused
// (weir.ErrDefinitionChanged): give it another name.
func (s Stream[K, V]) Aggregate[A, R any](name string, a window.Aggregator[V, A, R]) Stream[K, R] {
	var c codec.Codec[A]
	if a != nil {
		c = a.Codec()
	}
	cell := store.NewCell[A](name).WithCodec(c)
	out := s.stateful("aggregate", cell, s.key, func(env *operator.Env, node int, next operator.Receiver[K, R]) (operator.Receiver[K, V], error) {
		return operator.NewAggregate(env, node, cell, s.key, a, next)
	})
	if !findAggregator(s.topology, out.node, name, a) && ability.Of[window.Collector[V, A, R]](a, ability.Parts.Collects) != nil {
		s.topology.graph.Find(out.node, "the aggregator collects values, which needs a window: use MapState with a store.Map")
	}
	return out
}

// findAggregator notes the meaning of the store of a node with an aggregator, and reports whether the aggregator was found to be wrong.
func findAggregator[V, A, R any](t *Topology, n *graph.Node, name string, a window.Aggregator[V, A, R]) (found bool) {
	if a == nil {
		t.graph.Find(n, "the aggregator is nil")
		return true
	}
	n.Mean(name, typename.Aggregator(a))
	if v, ok := a.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			t.graph.Find(n, "%v", err)
			return true
		}
	}
	return false
}
