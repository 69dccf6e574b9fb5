package stream

import (
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// Stream is a place in a topology at which records of key K and value V come by. It is a small value to be copied.
type Stream[K, V any] struct {
	topology *Topology
	node     *graph.Node
	// key encodes keys for the stores of stateful operators.
	key codec.Codec[K]
}

// To writes the stream to a topic, with the key, time and headers of each record. The partition is the one that Kafka's
// Java client chooses for the key; records with a null key go to the partition of the empty key. A null key or value
// stays null.
func (s Stream[K, V]) To(topic Topic[K, V]) { s.sink(topic, nil) }

func lowerSink[K, V any](key codec.Codec[K], value codec.Codec[V]) func(*graph.Builder, *graph.Node) (any, error) {
	return func(b *graph.Builder, n *graph.Node) (any, error) {
		r, err := newSink(b, n, key, value)
		return operator.Receiver[K, V](r), err
	}
}

func newSink[K, V any](b *graph.Builder, n *graph.Node, key codec.Codec[K], value codec.Codec[V]) (*operator.TopicWriter[K, V], error) {
	topic := b.Topic(n)
	output, err := b.Env.Output(topic)
	if err != nil {
		return nil, err
	}
	return operator.NewTopicWriter(b.Env, n.ID, topic, key, value, output), nil
}

// Merge returns a stream of the records of s and all others, which may be streams that s is made of, or s itself. Records
// of one partition keep their order; those of several topics come in the order of their timestamps, as far as they are there
// (see runtime.Config.Buffers.AlignTimeout). There is no other order between streams. A record that reaches several of the streams
// comes several times.
func (s Stream[K, V]) Merge(others ...Stream[K, V]) Stream[K, V] {
	parents := []*graph.Node{s.node}
	n := &graph.Node{Kind: "merge", Site: callSite(), Lower: passThrough[K, V]}
	foreign := false
	for _, o := range others {
		if o.topology != s.topology {
			foreign = true
			continue
		}
		parents = append(parents, o.node)
	}
	s.topology.graph.Add(n, parents...)
	if foreign {
		s.topology.graph.Find(n, "a stream of another topology cannot be merged")
	}
	return Stream[K, V]{s.topology, n, s.key}
}

// add puts a node behind s.
func (s Stream[K, V]) add(n *graph.Node) *graph.Node {
	n.Site = callSite()
	return s.topology.graph.Add(n, s.node)
}

// build makes the operator of a node: it takes records of s and hands records of the new stream to next.
type build[K, V, L, W any] func(env *operator.Env, node int, next operator.Receiver[L, W]) (operator.Receiver[K, V], error)

// then puts an operator behind s and returns the stream of its output.
func (s Stream[K, V]) then[L, W any](n *graph.Node, key codec.Codec[L], f build[K, V, L, W]) Stream[L, W] {
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		next, err := graph.Next[L, W](b, n)
		if err != nil {
			return nil, err
		}
		return f(b.Env, n.ID, next)
	}
	return Stream[L, W]{s.topology, s.add(n), key}
}

// operate is then for an operator without stores, made by a function that cannot fail.
func (s Stream[K, V]) operate[W any](
	kind graph.Kind, f func(env *operator.Env, node int, next operator.Receiver[K, W]) operator.Receiver[K, V],
) Stream[K, W] {
	return s.then(&graph.Node{Kind: kind}, s.key,
		func(env *operator.Env, node int, next operator.Receiver[K, W]) (operator.Receiver[K, V], error) {
			return f(env, node, next), nil
		})
}

// checked records that a function is missing.
func (s Stream[K, V]) checked(isNil bool) Stream[K, V] {
	if isNil {
		s.topology.graph.Find(s.node, "the function is nil")
	}
	return s
}
