package stream

import "github.com/weirstreams/weir/internal/graph"

// AssumePartitioned declares that all records of s with the same key are in the same partition, although the key was
// changed, and for a join also in the partition that has the key on the other side. Nothing is sent and nothing is checked:
// if it is not so, state is kept for one key in several tasks, and results are wrong without an error.
//
// It is for keys that keep their partition by construction, such as a key of another Go type with the same bytes, and for
// Transform and Process where they leave the key as it is. Everywhere else GroupByKey sends records to the partitions of
// their keys. [Topology.Validate] refuses state, windows and joins behind a changed key without one of the two.
func (s Stream[K, V]) AssumePartitioned() Stream[K, V] {
	n := s.add(&graph.Node{Kind: "assumepartitioned", Partitioned: true, Lower: passThrough[K, V]})
	return Stream[K, V]{s.topology, n, s.key}
}
