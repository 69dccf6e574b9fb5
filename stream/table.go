package stream

import (
	"slices"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/internal/typename"
	"github.com/weirstreams/weir/operator"
)

// Table is a place in a topology at which there is one row for each key: the latest value that a stream had for it. It
// is a small value to be copied.
//
// The latest value is that of the last processed record; within a partition, records are processed in the order of offsets.
type Table[K, V any] struct {
	topology *Topology
	// node emits the changes of the table, as operator.Change.
	node *graph.Node
	key  codec.Codec[K]
	// value encodes rows where they have to be.
	value codec.Codec[V]
	// view returns the view of a task on the rows.
	view func(b *graph.Builder) (operator.View[K, V], error)
	// of are the nodes of the tables that the rows are made of.
	of []*graph.Node
}

// Table reads a topic as a table: a record is the new row of its key, and a null value deletes the row. Records with a null
// key are skipped and counted. The rows are kept in a store named "table_" and the topic, with the topic's codecs.
func (t *Topology) Table[K, V any](topic Topic[K, V]) Table[K, V] {
	value := topic.value
	if value == nil {
		value = codec.For[V]() // which is reported by From
	}
	return tableOf(t.From(topic), "table_"+topic.name, value)
}

// TableOf makes a table of a stream: a record is the new row of its key, and a null value deletes the row. The rows are kept
// in a store of the given name, encoded with codec.For.
func TableOf[K, V any](s Stream[K, V], name string) Table[K, V] {
	return tableOf(s, name, codec.For[V]())
}

func tableOf[K, V any](s Stream[K, V], name string, value codec.Codec[V]) Table[K, V] {
	handle := state.NewCell[V](name).WithCodec(value)
	n := &graph.Node{Kind: "table", Detail: name, Stores: []string{name}}
	n.Keep(name, typename.Codec(s.key), typename.Codec(value))
	copied := cloneHeld[V](s.node)
	rows := func(b *graph.Builder) (*operator.Rows[K, V], error) {
		return graph.Share(b, n, func() (*operator.Rows[K, V], error) { return operator.NewRows(b.Env, handle, s.key) })
	}
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		r, err := rows(b)
		if err != nil {
			return nil, err
		}
		next, err := graph.Next[K, operator.Change[V]](b, n)
		if err != nil {
			return nil, err
		}
		return operator.Receiver[K, V](&operator.Table[K, V]{Env: b.Env, Node: n.ID, Rows: r, Clone: copied, Next: next}), nil
	}
	s.add(n)
	return Table[K, V]{
		topology: s.topology, node: n, key: s.key, value: value, of: []*graph.Node{n},
		view: func(b *graph.Builder) (operator.View[K, V], error) { return rows(b) },
	}
}

// Stream returns the changes of the table: the new row, or a null value if it was deleted. Written to a topic they are a
// changelog, which can be read as a table again.
func (t Table[K, V]) Stream() Stream[K, V] {
	n := &graph.Node{Kind: "changes", Site: callSite()}
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		next, err := graph.Next[K, V](b, n)
		if err != nil {
			return nil, err
		}
		return operator.Receiver[K, operator.Change[V]](&operator.Changes[K, V]{Next: next}), nil
	}
	t.topology.graph.Add(n, t.node)
	return Stream[K, V]{t.topology, n, t.key}
}

// To writes the changes of the table to a topic: the new row, or a null value if it was deleted.
func (t Table[K, V]) To(topic Topic[K, V]) { t.Stream().To(topic) }

// link adds a node behind the table that takes its changes to the receiver of lower.
func (t Table[K, V]) link(kind graph.Kind, site string, lower func(b *graph.Builder) (operator.Receiver[K, operator.Change[V]], error)) *graph.Node {
	return t.topology.graph.Add(&graph.Node{
		Kind: kind, Site: site, Lower: func(b *graph.Builder, _ *graph.Node) (any, error) { return lower(b) },
	}, t.node)
}

// Join joins two tables: where both have a row for a key, the result has the row that f makes of them. When a row of
// either side changes or is deleted, so does that of the result.
//
// f must give the same result for the same rows: it is called again to compute former rows. The result is not
// stored.
func (t Table[K, V]) Join[R, W any](right Table[K, R], f func(V, R) W) Table[K, W] {
	return t.join(right, false, false, func(l *V, r *R) W { return f(*l, *r) }, f == nil)
}

// LeftJoin is Join but has a row for each of t: f gets nil where right has none. The function must not keep its arguments.
func (t Table[K, V]) LeftJoin[R, W any](right Table[K, R], f func(V, *R) W) Table[K, W] {
	return t.join(right, true, false, func(l *V, r *R) W { return f(*l, r) }, f == nil)
}

// OuterJoin is Join but has a row where either side has one: f gets nil for the other. The function must not keep its arguments.
func (t Table[K, V]) OuterJoin[R, W any](right Table[K, R], f func(*V, *R) W) Table[K, W] {
	return t.join(right, true, true, f, f == nil)
}

func (t Table[K, V]) join[R, W any](right Table[K, R], unmatchedLeft, unmatchedRight bool, merge func(*V, *R) W, isNil bool) Table[K, W] {
	site := callSite()
	n := &graph.Node{Kind: "jointables", Site: site, Keyed: true}
	view := func(b *graph.Builder) (*operator.TablesView[K, V, R, W], error) {
		return graph.Share(b, n, func() (*operator.TablesView[K, V, R, W], error) {
			l, err := t.view(b)
			if err != nil {
				return nil, err
			}
			r, err := right.view(b)
			if err != nil {
				return nil, err
			}
			return &operator.TablesView[K, V, R, W]{
				Left: l, Right: r, UnmatchedLeft: unmatchedLeft, UnmatchedRight: unmatchedRight, Merge: merge,
			}, nil
		})
	}
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		sides, err := view(b)
		if err != nil {
			return nil, err
		}
		next, err := graph.Next[K, operator.Change[W]](b, n)
		if err != nil {
			return nil, err
		}
		return &operator.Tables[K, V, R, W]{Env: b.Env, Node: n.ID, Sides: *sides, Next: next}, nil
	}
	result := Table[K, W]{
		topology: t.topology, node: n, key: t.key, value: codec.For[W](), of: slices.Concat(t.of, right.of),
		view: func(b *graph.Builder) (operator.View[K, W], error) { return view(b) },
	}
	g := &t.topology.graph
	if right.topology != t.topology {
		g.Add(n, t.node)
		g.Find(n, "a table of another topology cannot be joined")
		return result
	}
	leftLink := t.link("jointables-left", site, func(b *graph.Builder) (operator.Receiver[K, operator.Change[V]], error) {
		return graph.InputOf(b, n, (*operator.Tables[K, V, R, W]).Left)
	})
	rightLink := right.link("jointables-right", site, func(b *graph.Builder) (operator.Receiver[K, operator.Change[R]], error) {
		return graph.InputOf(b, n, (*operator.Tables[K, V, R, W]).Right)
	})
	rightLink.RightSide = true
	g.Add(n, leftLink, rightLink)
	if isNil {
		g.Find(n, "the function is nil")
	}
	if slices.ContainsFunc(t.of, func(o *graph.Node) bool { return slices.Contains(right.of, o) }) {
		g.Find(n, "both sides are made of the same table: a change of it would be two changes of the result; compute it in one function of the row")
	}
	return result
}
