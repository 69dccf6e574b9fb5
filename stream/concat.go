package stream

import (
	"slices"

	"github.com/weirstreams/weir/internal/graph"
)

// Concat returns a stream of the records of s and of another one that is read from another topic, or is another branch of
// the same one. The tasks read equal partitions of both topics, in the order of time and, of equal times, in the order in
// which the program declares the inputs, so that stateful operators see one stream; its id, by which state is found, is made
// of the names of all topics.
//
// A record that comes to both branches comes twice. A stream cannot be concatenated with itself or with one that it is
// made of, for which there is Merge.
func (s Stream[K, V]) Concat(other Stream[K, V]) Stream[K, V] {
	n := &graph.Node{Kind: "concat", Site: callSite(), Lower: passThrough[K, V]}
	if other.topology != s.topology {
		s.topology.graph.Add(n, s.node)
		s.topology.graph.Find(n, "a stream of another topology cannot be concatenated")
		return Stream[K, V]{s.topology, n, s.key}
	}
	s.topology.graph.Add(n, s.node, other.node)
	if descends(s.node, other.node) || descends(other.node, s.node) {
		s.topology.graph.Find(n, "a stream cannot be concatenated with itself or with one that it is made of")
	}
	return Stream[K, V]{s.topology, n, s.key}
}

// descends reports whether a node is another one, or comes after it in the same sub-topology.
func descends(n, from *graph.Node) bool {
	return n == from || slices.ContainsFunc(n.Parents, func(p *graph.Node) bool { return descends(p, from) })
}
