package stream

import (
	"context"
	"iter"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/operator"
)

// FlatMapSeq is FlatMap with a function that returns an iterator. Each value goes all the way through the topology before
// the iterator is asked for the next one. A nil iterator has no values.
func (s Stream[K, V]) FlatMapSeq[W any](f func(V) iter.Seq[W]) Stream[K, W] {
	return s.push(func(_ context.Context, r *weir.Record[K, V], p *operator.Push[W]) error {
		return pushAll(f(r.Value), p)
	}).checked(f == nil)
}

// FlatMapSeqRecord is FlatMapSeq with an iterator of the whole record that can fail: it ends with its first error. Values yielded
// before the error stay emitted if the error policy goes on.
func (s Stream[K, V]) FlatMapSeqRecord[W any](f func(context.Context, weir.Record[K, V]) iter.Seq2[W, error]) Stream[K, W] {
	return s.push(func(ctx context.Context, r *weir.Record[K, V], p *operator.Push[W]) error {
		return tryPushAll(f(ctx, *r), p)
	}).checked(f == nil)
}

func pushAll[W any](values iter.Seq[W], p *operator.Push[W]) error {
	if values != nil {
		values(p.Yield)
	}
	return nil
}

func tryPushAll[W any](values iter.Seq2[W, error], p *operator.Push[W]) error {
	if values != nil {
		values(p.TryYield)
	}
	return nil
}

func (s Stream[K, V]) push[W any](f func(context.Context, *weir.Record[K, V], *operator.Push[W]) error) Stream[K, W] {
	return s.operate("flatmap", func(env *operator.Env, node int, next operator.Receiver[K, W]) operator.Receiver[K, V] {
		return operator.NewFlatMapPush(env, node, f, next)
	})
}
