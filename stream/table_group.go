package stream

import (
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/ability"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/typename"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/window"
)

// GroupedTable are the rows of a table by groups, of which [GroupedTable.Aggregate] makes a table.
type GroupedTable[K, V any] struct {
	topology *Topology
	// node reads the changes from the internal topic.
	node *graph.Node
	key  codec.Codec[K]
	// value encodes rows, in messages and in the store of the rows of groups.
	value codec.Codec[V]
}

// GroupBy puts each row into the group with the key that f makes of it, and sends the changes of rows through an internal topic to
// the tasks of their groups. A row in a group with a null key, such as a nil pointer, is left out.
//
// A message has the key of the row, and the row if it is in the group now. A row that moves to another group is
// two messages: it leaves its group, and then joins the other one. They reach different tasks in any order, so
// that for a moment the row may be in both groups, or in none. The messages of one row come to a group in their order.
//
// The name is part of the internal topic's. Keys are encoded with codec.For, and rows with the codec of the table; GroupByWith takes
// other codecs. f must give the same result for the same row, as it is called again for former rows: groups that were made with another
// function need another name, of the operation or of the table, as do those of a table that had rows before.
func (t Table[K, V]) GroupBy[L any](name string, f func(K, V) L) GroupedTable[L, V] {
	return groupTable(t, Repartition[L, V]{Name: name}, f)
}

// GroupByWith is GroupBy with chosen codecs and number of partitions. The default of Value is the codec of the table.
func (t Table[K, V]) GroupByWith[L any](to Repartition[L, V], f func(K, V) L) GroupedTable[L, V] {
	return groupTable(t, to, f)
}

func groupTable[K, V, L any](t Table[K, V], to Repartition[L, V], f func(K, V) L) GroupedTable[L, V] {
	if to.Key == nil {
		to.Key = codec.For[L]()
	}
	if to.Value == nil {
		to.Value = t.value
	}
	var sink *graph.Node
	n := &graph.Node{Kind: "grouptable", Detail: to.Name, Site: callSite(), Rekeys: true}
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		next, err := graph.Next[L, operator.GroupRow[V]](b, n)
		if err != nil {
			return nil, err
		}
		return operator.Receiver[K, operator.Change[V]](operator.NewGroupTable(b.Env, n.ID, b.Topic(sink), t.key, to.Key, f, next)), nil
	}
	g := &t.topology.graph
	g.Add(n, t.node)
	if f == nil {
		g.Find(n, "the function is nil")
	}
	sink, source := repartition(t.topology, n, Repartition[L, operator.GroupRow[V]]{
		Name: to.Name, Key: to.Key, Value: operator.GroupRowCodec(to.Value), Partitions: to.Partitions,
	})
	return GroupedTable[L, V]{topology: t.topology, node: source, key: to.Key, value: to.Value}
}

// Aggregate is the table with one row for each group: the result of an aggregator over the rows that are in the group now. A new row
// is added to its group, and one that has changed or gone is taken back, so the aggregator has to be a [window.Subtracter], such as
// window.Count, window.Sum, window.Mean, combinations of these, and window.CustomSubtracting. Rows are added and taken back in any order, but each is
// added before it is taken back. A group goes with its last row: its row of the result is deleted.
//
// Each group keeps the rows that it has counted, and takes back the row that it has kept: work that is done again after a crash, at least once,
// changes nothing.
//
// The name is that of the store, and with "_rows" behind it that of the rows: renaming it starts from nothing. Another aggregator over the state is refused
// (weir.ErrDefinitionChanged).
func (g GroupedTable[K, V]) Aggregate[A, R any](name string, a window.Aggregator[V, A, R]) Table[K, R] {
	rows := name + "_rows"
	n := &graph.Node{Kind: "aggregategroups", Detail: name, Site: callSite(), Stores: []string{name, rows}}
	t := &g.topology.graph
	t.Add(n, g.node)
	groups := func(b *graph.Builder) (*operator.Groups[K, V, A, R], error) {
		return graph.Share(b, n, func() (*operator.Groups[K, V, A, R], error) {
			return operator.NewGroups(b.Env, name, rows, g.key, g.value, a)
		})
	}
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		of, err := groups(b)
		if err != nil {
			return nil, err
		}
		next, err := graph.Next[K, operator.Change[R]](b, n)
		if err != nil {
			return nil, err
		}
		return operator.Receiver[K, operator.GroupRow[V]](&operator.AggregateGroups[K, V, A, R]{Env: b.Env, Node: n.ID, Groups: of, Next: next}), nil
	}
	out := Table[K, R]{
		topology: g.topology, node: n, key: g.key, value: codec.For[R](), of: []*graph.Node{n},
		view: func(b *graph.Builder) (operator.View[K, R], error) { return groups(b) },
	}
	var accumulators codec.Codec[A]
	if a != nil {
		accumulators = a.Codec()
	}
	n.Keep(name, typename.Codec(g.key), "group of "+typename.Codec(accumulators))
	n.Keep(rows, typename.Codec(g.key), "row of a group, "+typename.Codec(g.value))
	if !findAggregator(g.topology, n, name, a) && ability.Of[window.Subtracter[V, A]](a, ability.Parts.Subtracts) == nil {
		t.Find(n, "the aggregator cannot take values back: use Count, Sum, Mean, what Combine2 makes of them, or CustomSubtracting")
	}
	return out
}
