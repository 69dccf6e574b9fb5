package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// Transform turns each record into another: key, value, time, headers, and whether they are null. The origin is kept. The
// rules of MapKey for new keys hold for Transform too. An error of f is a processing error.
func (s Stream[K, V]) Transform[L, W any](f func(context.Context, weir.Record[K, V]) (weir.Record[L, W], error)) Stream[L, W] {
	return s.transform(func(ctx context.Context, r *weir.Record[K, V]) (weir.Record[L, W], error) { return f(ctx, *r) }).checked(f == nil)
}

func (s Stream[K, V]) transform[L, W any](f func(context.Context, *weir.Record[K, V]) (weir.Record[L, W], error)) Stream[L, W] {
	return s.then(&graph.Node{Kind: "transform", Rekeys: true}, codec.For[L](),
		func(env *operator.Env, node int, next operator.Receiver[L, W]) (operator.Receiver[K, V], error) {
			return &operator.Transform[K, V, L, W]{Env: env, Node: node, F: f, Next: next}, nil
		})
}
