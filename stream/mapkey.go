package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// MapKey gives each record the key that f makes of its value. Value, time and headers are kept.
//
// The record stays in its partition, and two records with the same new key may be in different ones. State, windows and
// joins need them in one: GroupBy, or GroupByKey after this, brings them together, and [Topology.Validate] refuses a topology
// without it, unless AssumePartitioned says that the new key keeps the partition. State is found by the key as codec.For
// encodes it, unless WithKeyCodec says otherwise.
func (s Stream[K, V]) MapKey[L any](f func(V) L) Stream[L, V] {
	return s.mapKey(func(_ context.Context, r *weir.Record[K, V]) (L, error) { return f(r.Value), nil }).checked(f == nil)
}

// MapKeyRecord is MapKey with a function of the whole record that can fail.
func (s Stream[K, V]) MapKeyRecord[L any](f func(context.Context, weir.Record[K, V]) (L, error)) Stream[L, V] {
	return s.mapKey(func(ctx context.Context, r *weir.Record[K, V]) (L, error) { return f(ctx, *r) }).checked(f == nil)
}

func (s Stream[K, V]) mapKey[L any](f func(context.Context, *weir.Record[K, V]) (L, error)) Stream[L, V] {
	return s.then(&graph.Node{Kind: "mapkey", Rekeys: true}, codec.For[L](), rekey(f))
}

func rekey[K, V, L any](f func(context.Context, *weir.Record[K, V]) (L, error)) build[K, V, L, V] {
	return func(env *operator.Env, node int, next operator.Receiver[L, V]) (operator.Receiver[K, V], error) {
		return &operator.Rekey[K, V, L]{Env: env, Node: node, F: f, Next: next}, nil
	}
}

// WithKeyCodec returns the same stream; stateful operators behind it find state by the key as c encodes it.
func (s Stream[K, V]) WithKeyCodec(c codec.Codec[K]) Stream[K, V] {
	if c != nil {
		s.key = c
	}
	return s
}
