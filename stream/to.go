package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// ToWith is To with another key, partition, time or headers than those of the record. A partition that the topic does not
// have is a processing error.
func (s Stream[K, V]) ToWith(topic Topic[K, V], write weir.Write[K, V]) { s.sink(topic, &write) }

// ToOneOf writes each record to the topic that f returns, which must be one of topics. An error of f, or another topic, is a
// processing error.
func (s Stream[K, V]) ToOneOf(f func(context.Context, weir.Record[K, V]) (Topic[K, V], error), topics ...Topic[K, V]) {
	_ = s.toOneOf(chosen(f), nil, topics).checked(f == nil)
}

// ToOneOfWith is ToOneOf with another key, partition, time or headers than those of the record.
func (s Stream[K, V]) ToOneOfWith(
	write weir.Write[K, V], f func(context.Context, weir.Record[K, V]) (Topic[K, V], error), topics ...Topic[K, V],
) {
	_ = s.toOneOf(chosen(f), &write, topics).checked(f == nil)
}

// chosen returns the name of the topic that f chooses.
func chosen[K, V any](f func(context.Context, weir.Record[K, V]) (Topic[K, V], error)) func(context.Context, *weir.Record[K, V]) (string, error) {
	return func(ctx context.Context, r *weir.Record[K, V]) (string, error) {
		topic, err := f(ctx, *r)
		return topic.name, err
	}
}

func (s Stream[K, V]) toOneOf(f func(context.Context, *weir.Record[K, V]) (string, error), write *weir.Write[K, V], topics []Topic[K, V]) Stream[K, V] {
	n := s.add(&graph.Node{Kind: "to", Lower: func(b *graph.Builder, n *graph.Node) (any, error) {
		choose := &operator.Choose[K, V]{Env: b.Env, Node: n.ID, F: f, Next: map[string]operator.Receiver[K, V]{}}
		for _, child := range n.Children {
			r, err := b.Build(child)
			if err != nil {
				return nil, err
			}
			choose.Next[child.Sink.Topic] = r.(operator.Receiver[K, V])
		}
		return operator.Receiver[K, V](choose), nil
	}})
	out := Stream[K, V]{s.topology, n, s.key}
	if len(topics) == 0 {
		s.topology.graph.Find(n, "there is no topic to choose")
	}
	declared := map[string]bool{}
	for _, topic := range topics {
		if declared[topic.name] {
			s.topology.graph.Find(n, "topic %q is there twice", topic.name)
			continue
		}
		declared[topic.name] = true
		out.sink(topic, write)
	}
	return out
}

// sink writes the stream to a topic.
func (s Stream[K, V]) sink(topic Topic[K, V], write *weir.Write[K, V]) {
	n := s.add(&graph.Node{
		Kind: graph.KindSink, Detail: topic.name,
		Sink: &graph.Sink{
			Topic: topic.name, Partitions: topic.partitions, Config: topic.config, Placed: write != nil && write.Partition != nil,
		},
		Lower: func(b *graph.Builder, n *graph.Node) (any, error) {
			r, err := newSink(b, n, topic.key, topic.value)
			if err == nil && write != nil {
				r.Override(*write)
			}
			return operator.Receiver[K, V](r), err
		},
	})
	checkTopic(s.topology, n, topic)
}
