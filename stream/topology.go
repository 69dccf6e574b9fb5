package stream

import (
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/typename"
	"github.com/weirstreams/weir/operator"
)

// Topology is a declared graph of streams. It is built by one goroutine and is a value that needs no cluster: it can be
// validated, described and tested. It must not be changed once it has been given to an application.
type Topology struct {
	graph graph.Graph
}

// NewTopology returns an empty topology.
func NewTopology() *Topology { return &Topology{} }

// Graph returns the untyped form of the topology. It is for the packages of this module.
func (t *Topology) Graph() *graph.Graph { return &t.graph }

// From reads a topic. A topic can be read once per topology; the stream can be used any number of times.
func (t *Topology) From[K, V any](topic Topic[K, V]) Stream[K, V] {
	n := t.graph.Add(&graph.Node{
		Kind: graph.KindSource, Detail: topic.name, Site: callSite(),
		Lower: passThrough[K, V],
		Source: &graph.Source{
			Topic: topic.name, Partitions: topic.partitions, Config: topic.config, Key: typename.Codec(topic.key),
			Input: func(env *operator.Env, node int, name string, next any) operator.Input {
				return operator.NewSource(env, node, name, topic.key, topic.value, topic.at, next.(operator.Receiver[K, V]))
			},
		},
	})
	checkTopic(t, n, topic)
	return Stream[K, V]{t, n, topic.key}
}

// checkTopic records the mistakes in a topic that a node uses.
func checkTopic[K, V any](t *Topology, n *graph.Node, topic Topic[K, V]) {
	if err := checkTopicName(topic.name); err != nil {
		t.graph.Find(n, "%v", err)
	}
	if topic.key == nil {
		t.graph.Find(n, "topic %q has no key codec", topic.name)
	}
	if topic.value == nil {
		t.graph.Find(n, "topic %q has no value codec", topic.name)
	}
	if topic.partitions < 0 {
		t.graph.Find(n, "topic %q: %d partitions", topic.name, topic.partitions)
	}
}

// passThrough lowers a node that hands its input on as it is.
func passThrough[K, V any](b *graph.Builder, n *graph.Node) (any, error) {
	return graph.Next[K, V](b, n)
}
