package stream

import (
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// Filter is the table of the rows that f accepts. A row that f accepts no more, after a change, is deleted from it.
//
// f must give the same result for the same row: it is called again for former rows. The result is not stored.
func (t Table[K, V]) Filter(f func(K, V) bool) Table[K, V] {
	return mapTable(t, "filtertable", t.value, f == nil, func() func(K, *V) (V, bool) {
		return func(key K, row *V) (V, bool) { return *row, f(key, *row) }
	})
}

// Map is the table of the rows that f makes of those of t. A row is left out if f returns a null, such as a nil pointer.
//
// f must give the same result for the same row, as it is called again for former rows, and must not change the row. The result
// is not stored.
func (t Table[K, V]) Map[W any](f func(K, V) W) Table[K, W] {
	return mapTable(t, "maptable", codec.For[W](), f == nil, func() func(K, *V) (W, bool) { return operator.MapRow(f) })
}

// mapTable makes a table of another row by row. f returns the function of one task.
func mapTable[K, V, W any](t Table[K, V], kind graph.Kind, value codec.Codec[W], isNil bool, f func() func(K, *V) (W, bool)) Table[K, W] {
	n := &graph.Node{Kind: kind, Site: callSite()}
	view := func(b *graph.Builder) (*operator.MappedView[K, V, W], error) {
		return graph.Share(b, n, func() (*operator.MappedView[K, V, W], error) {
			of, err := t.view(b)
			return &operator.MappedView[K, V, W]{Of: of, F: f()}, err
		})
	}
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		v, err := view(b)
		if err != nil {
			return nil, err
		}
		next, err := graph.Next[K, operator.Change[W]](b, n)
		if err != nil {
			return nil, err
		}
		return operator.Receiver[K, operator.Change[V]](&operator.MapTable[K, V, W]{Env: b.Env, Node: n.ID, View: v, Next: next}), nil
	}
	g := &t.topology.graph
	g.Add(n, t.node)
	if isNil {
		g.Find(n, "the function is nil")
	}
	return Table[K, W]{
		topology: t.topology, node: n, key: t.key, value: value, of: t.of,
		view: func(b *graph.Builder) (operator.View[K, W], error) { return view(b) },
	}
}
