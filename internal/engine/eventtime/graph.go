package eventtime

import "github.com/weirstreams/weir/internal/graph"

// TimedBehind reports whether an operator behind n, also behind repartition topics, acts when event time goes on without
// records.
func TimedBehind(g *graph.Graph, n *graph.Node) bool {
	seen := map[*graph.Node]bool{}
	var behind func(*graph.Node) bool
	behind = func(n *graph.Node) bool {
		if seen[n] {
			return false
		}
		seen[n] = true
		for _, next := range n.Children {
			if next.Timed || behind(next) {
				return true
			}
		}
		if n.Sink == nil {
			return false
		}
		for _, reader := range g.Nodes {
			if reader.Source != nil && reader.Source.Repartition == n && behind(reader) {
				return true
			}
		}
		return false
	}
	return behind(n)
}

func BehindRepartition(n *graph.Node) bool {
	if n.Source != nil && n.Source.Repartition != nil {
		return true
	}
	for _, p := range n.Parents {
		if BehindRepartition(p) {
			return true
		}
	}
	return false
}
