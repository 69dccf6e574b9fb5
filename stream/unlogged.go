package stream

import "github.com/weirstreams/weir/internal/graph"

// WithoutChangelog keeps the state of the operator that has made the stream in the local database of the task and nowhere else: the
// operator is one such as Process, Reduce, Aggregate, Deduplicate, an as-of or an interval join, a join of a buffered lookup, or a window. All stores
// of the operator, timers and waiting records included, are exact as long as a task comes back to the database that it has left, also after
// a crash. They are lost, and begin empty, with the disk, and when another member has processed input of the task meanwhile, as after a
// rebalance: then records that wait are lost too, and timers never fire. The log says so each time, and each start names the stores.
// Operators that share a store share what one of them says.
func (s Stream[K, V]) WithoutChangelog() Stream[K, V] {
	unlog(&s.topology.graph, s.node)
	return s
}

// WithoutChangelog keeps the rows of the table in the local database of the task and nowhere else: they are lost, and the table begins
// empty, with the disk, and when another member has processed input of the task meanwhile. Rows that come back later are new ones for
// everything behind the table. For a join by a foreign key it applies to the subscriptions as well. A join of two tables keeps nothing: call it
// on its sides. See [Stream.WithoutChangelog].
func (t Table[K, V]) WithoutChangelog() Table[K, V] {
	g := &t.topology.graph
	unlog(g, t.node)
	for _, n := range g.Nodes {
		if t.node.Kind == "joinforeignkey" && n.Kind == "joinforeignkey-right" && n.Detail == t.node.Detail && n.Site == t.node.Site {
			unlog(g, n)
		}
	}
	return t
}

func unlog(g *graph.Graph, n *graph.Node) {
	if len(n.Stores) == 0 {
		g.Find(n, "WithoutChangelog is for an operator with state, and %s has none: call it right behind that", n)
	}
	for _, s := range n.Stores {
		n.WithoutChangelog(s)
	}
}
