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

// BehindRepartition reports whether the input of a node comes through a repartition topic.
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

// UpstreamTasks returns how many tasks write a repartition topic: those with a partition of an input that leads to it. partitions are the
// numbers of partitions of topics.
func UpstreamTasks(plan *graph.Plan, partitions map[string]int32, sink *graph.Node) int32 {
	var n int32
	for _, source := range sink.FedBy() {
		n = max(n, partitions[plan.Topic(source)])
	}
	return n
}

// Repartitions returns the nodes that write internal topics, by topic.
func Repartitions(plan *graph.Plan) map[string]*graph.Node {
	all := map[string]*graph.Node{}
	for _, n := range plan.Graph.Nodes {
		if n.Sink != nil && n.Sink.Repartition != "" {
			all[plan.Topic(n)] = n
		}
	}
	return all
}
