package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/typename"
	"github.com/weirstreams/weir/operator"
)

// GroupBy gives each record the key that f makes of its value, and sends it through an internal topic so that all
// records of one key come to the same task. Value, time and headers are kept. The operators behind it are a new sub-topology, with
// stores of its own.
//
// The name is part of the internal topic's: renaming the operation starts the operators behind it with empty state. Keys and values
// are encoded with codec.For; GroupByWith takes other codecs. A nil pointer or byte slice as key is written as a null.
func (s Stream[K, V]) GroupBy[L any](name string, f func(V) L) Stream[L, V] {
	return s.GroupByWith(Repartition[L, V]{Name: name}, f)
}

// GroupByRecord is GroupBy with a function of the whole record that can fail.
func (s Stream[K, V]) GroupByRecord[L any](name string, f func(context.Context, weir.Record[K, V]) (L, error)) Stream[L, V] {
	return s.groupBy(Repartition[L, V]{Name: name},
		func(ctx context.Context, r *weir.Record[K, V]) (L, error) { return f(ctx, *r) }, f == nil)
}

// Repartition describes an internal topic that brings records of the same key together.
type Repartition[K, V any] struct {
	// Name is the name of the operation, unique among the operations of the sub-topology.
	Name string
	// Key encodes the keys. The default is codec.For.
	Key codec.Codec[K]
	// Value encodes the values. The default is codec.For.
	Value codec.Codec[V]
	// Partitions is the number of partitions of the topic. The default is that of the input topic that has most.
	Partitions int32
}

// GroupByWith is GroupBy with chosen codecs and number of partitions. MapKeyRecord and GroupByKeyWith do the same by a function of the
// whole record that can fail.
func (s Stream[K, V]) GroupByWith[L any](to Repartition[L, V], f func(V) L) Stream[L, V] {
	return s.groupBy(to, func(_ context.Context, r *weir.Record[K, V]) (L, error) { return f(r.Value), nil }, f == nil)
}

// GroupByKey sends each record through an internal topic, by the key that it has: after MapKey or Transform, or where the
// input is not partitioned by the hash of its key. It is GroupBy in all other respects. A null key stays null.
func (s Stream[K, V]) GroupByKey(name string) Stream[K, V] {
	return s.GroupByKeyWith(Repartition[K, V]{Name: name})
}

// GroupByKeyWith is GroupByKey with chosen codecs and number of partitions. The default of Key is the codec of the stream.
func (s Stream[K, V]) GroupByKeyWith(to Repartition[K, V]) Stream[K, V] {
	if to.Key == nil {
		to.Key = s.key
	}
	return s.repartition(to)
}

func (s Stream[K, V]) groupBy[L any](to Repartition[L, V], f func(context.Context, *weir.Record[K, V]) (L, error), isNil bool) Stream[L, V] {
	rekeyed := s.then(&graph.Node{Kind: "groupby", Detail: to.Name, Rekeys: true}, codec.For[L](), rekey(f)).checked(isNil)
	return rekeyed.repartition(to)
}

// repartition sends the stream through an internal topic.
func (s Stream[K, V]) repartition(to Repartition[K, V]) Stream[K, V] {
	if to.Key == nil {
		to.Key = codec.For[K]()
	}
	if to.Value == nil {
		to.Value = codec.For[V]()
	}
	_, source := repartition(s.topology, s.node, to)
	return Stream[K, V]{s.topology, source, to.Key}
}

// repartition puts an internal topic behind a node: sink writes it and source reads it.
func repartition[K, V any](t *Topology, from *graph.Node, to Repartition[K, V]) (sink, source *graph.Node) {
	sink = t.graph.Add(&graph.Node{
		Kind: graph.KindRepartition, Detail: to.Name, Site: callSite(),
		Sink: &graph.Sink{
			Repartition: to.Name, Partitions: to.Partitions, Key: typename.Codec(to.Key), Value: typename.Codec(to.Value),
		},
		Lower: lowerSink(to.Key, to.Value),
	}, from)
	if err := checkNamePart(to.Name); err != nil {
		t.graph.Find(sink, "name of the operation: %v", err)
	}
	if to.Partitions < 0 {
		t.graph.Find(sink, "%d partitions", to.Partitions)
	}
	source = t.graph.Add(&graph.Node{
		Kind: graph.KindSource, Detail: to.Name, Site: sink.Site,
		Lower: passThrough[K, V],
		Source: &graph.Source{
			Repartition: sink,
			Input: func(env *operator.Env, node int, topic string, next any) operator.Input {
				return operator.NewSource(env, node, topic, to.Key, to.Value, nil, next.(operator.Receiver[K, V]))
			},
		},
	})
	return sink, source
}
