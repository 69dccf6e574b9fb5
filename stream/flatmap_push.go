package stream

import (
	"context"
	"iter"

	"github.com/weirstreams/weir/operator"
)

// FlatMapSeq is FlatMap with a function that returns an iterator. Each value goes all the way through the topology before
// the iterator is asked for the next one. A nil iterator has no values.
func (s Stream[K, V]) FlatMapSeq[W any](f func(V) iter.Seq[W]) Stream[K, W] {
	return s.push(func(_ context.Context, r *Record[K, V], p *operator.Push[W]) error {
		return pushAll(f(r.Value), p)
	}).checked(f == nil)
}

// FlatMapSeqRecord is FlatMapSeq with an iterator of the whole record that can fail: it ends with its first error. Values yielded
// before the error stay emitted if the error policy goes on.
func (s Stream[K, V]) FlatMapSeqRecord[W any](f func(context.Context, Record[K, V]) iter.Seq2[W, error]) Stream[K, W] {
	return s.push(func(ctx context.Context, r *Record[K, V], p *operator.Push[W]) error {
		return tryPushAll(f(ctx, *r), p)
	}).checked(f == nil)
}

// FlatMapEmit is FlatMap with a function that calls emit for each value. A value goes all the way through the topology
// before emit returns. emit must not be called later, or by another goroutine.
func (s Stream[K, V]) FlatMapEmit[W any](f func(v V, emit func(W))) Stream[K, W] {
	return s.push(func(_ context.Context, r *Record[K, V], p *operator.Push[W]) error {
		f(r.Value, p.Emit)
		return nil
	}).checked(f == nil)
}

// FlatMapEmitRecord is FlatMapEmit with a function of the whole record that can fail. emit returns the error of the operators
// behind it, and the function should return it. Values emitted before an error stay emitted if the error policy goes on.
func (s Stream[K, V]) FlatMapEmitRecord[W any](f func(ctx context.Context, r Record[K, V], emit func(W) error) error) Stream[K, W] {
	return s.push(func(ctx context.Context, r *Record[K, V], p *operator.Push[W]) error {
		return f(ctx, *r, p.TryEmit)
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

func (s Stream[K, V]) push[W any](f func(context.Context, *Record[K, V], *operator.Push[W]) error) Stream[K, W] {
	return s.operate("flatmap", func(env *operator.Env, node int, next operator.Receiver[K, W]) operator.Receiver[K, V] {
		return operator.NewFlatMapPush(env, node, f, next)
	})
}
