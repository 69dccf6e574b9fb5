package stream

import (
	"context"
	"errors"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/typename"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/operator"
)

// JoinInterval joins each record with every record of right that has the same key and a time within the bounds of the
// definition. A pair is emitted once, by whichever record comes second, with the key and time of that record and no
// headers. The results of one record come in the order of the times of the others, then of their arrival.
//
// Records with a null key are skipped and counted.
//
// The ...Record forms see both records with key, value, whether that is null, and time. Headers and origin are not kept,
// and nil.
func (s Stream[K, V]) JoinInterval[R, W any](right Stream[K, R], d join.Interval, f func(V, R) W) Stream[K, W] {
	return s.joinInterval(right, d, false, false, func(_ context.Context, l *weir.Record[K, V], r *weir.Record[K, R]) (W, error) {
		return f(l.Value, r.Value), nil
	}).checked(f == nil)
}

// JoinIntervalRecord is JoinInterval with a function of the whole records that can fail.
func (s Stream[K, V]) JoinIntervalRecord[R, W any](right Stream[K, R], d join.Interval, f func(context.Context, weir.Record[K, V], weir.Record[K, R]) (W, error)) Stream[K, W] {
	return s.joinInterval(right, d, false, false, func(ctx context.Context, l *weir.Record[K, V], r *weir.Record[K, R]) (W, error) {
		return f(ctx, *l, *r)
	}).checked(f == nil)
}

// LeftJoinInterval is JoinInterval but also emits left records without a match: the function then gets nil. They are emitted
// at once, and again with each match that comes later, unless the definition says UnmatchedWhenFinal. The function must not
// keep its arguments.
func (s Stream[K, V]) LeftJoinInterval[R, W any](right Stream[K, R], d join.Interval, f func(V, *R) W) Stream[K, W] {
	return s.joinInterval(right, d, true, false, func(_ context.Context, l *weir.Record[K, V], r *weir.Record[K, R]) (W, error) {
		return f(l.Value, valueOrNil(r)), nil
	}).checked(f == nil)
}

// LeftJoinIntervalRecord is LeftJoinInterval with a function of the whole records that can fail.
func (s Stream[K, V]) LeftJoinIntervalRecord[R, W any](right Stream[K, R], d join.Interval, f func(context.Context, weir.Record[K, V], *weir.Record[K, R]) (W, error)) Stream[K, W] {
	return s.joinInterval(right, d, true, false, func(ctx context.Context, l *weir.Record[K, V], r *weir.Record[K, R]) (W, error) {
		return f(ctx, *l, r)
	}).checked(f == nil)
}

// RightJoinInterval is LeftJoinInterval for right records without a match.
func (s Stream[K, V]) RightJoinInterval[R, W any](right Stream[K, R], d join.Interval, f func(*V, R) W) Stream[K, W] {
	return s.joinInterval(right, d, false, true, func(_ context.Context, l *weir.Record[K, V], r *weir.Record[K, R]) (W, error) {
		return f(valueOrNil(l), r.Value), nil
	}).checked(f == nil)
}

// RightJoinIntervalRecord is RightJoinInterval with a function of the whole records that can fail.
func (s Stream[K, V]) RightJoinIntervalRecord[R, W any](right Stream[K, R], d join.Interval, f func(context.Context, *weir.Record[K, V], weir.Record[K, R]) (W, error)) Stream[K, W] {
	return s.joinInterval(right, d, false, true, func(ctx context.Context, l *weir.Record[K, V], r *weir.Record[K, R]) (W, error) {
		return f(ctx, l, *r)
	}).checked(f == nil)
}

// OuterJoinInterval is LeftJoinInterval for records of both sides without a match.
func (s Stream[K, V]) OuterJoinInterval[R, W any](right Stream[K, R], d join.Interval, f func(*V, *R) W) Stream[K, W] {
	return s.joinInterval(right, d, true, true, func(_ context.Context, l *weir.Record[K, V], r *weir.Record[K, R]) (W, error) {
		return f(valueOrNil(l), valueOrNil(r)), nil
	}).checked(f == nil)
}

// OuterJoinIntervalRecord is OuterJoinInterval with a function of the whole records that can fail.
func (s Stream[K, V]) OuterJoinIntervalRecord[R, W any](right Stream[K, R], d join.Interval, f func(context.Context, *weir.Record[K, V], *weir.Record[K, R]) (W, error)) Stream[K, W] {
	return s.joinInterval(right, d, true, true, func(ctx context.Context, l *weir.Record[K, V], r *weir.Record[K, R]) (W, error) {
		return f(ctx, l, r)
	}).checked(f == nil)
}

func valueOrNil[K, V any](r *weir.Record[K, V]) *V {
	if r == nil {
		return nil
	}
	return &r.Value
}

func (s Stream[K, V]) joinInterval[R, W any](
	right Stream[K, R], d join.Interval, unmatchedLeft, unmatchedRight bool, merge func(context.Context, *weir.Record[K, V], *weir.Record[K, R]) (W, error),
) Stream[K, W] {
	settings := d.Settings()
	leftCodec, rightCodec, err := sideCodecs[V, R](settings.Left, settings.Right)
	n := &graph.Node{Kind: "joininterval", Detail: d.String(), Stores: []string{settings.LeftStore, settings.RightStore}, Timed: true}
	n.Keep(settings.LeftStore, typename.Codec(s.key), typename.Codec(leftCodec))
	n.Keep(settings.RightStore, typename.Codec(s.key), typename.Codec(rightCodec))
	n.KeepsOf(graph.LeftSide, settings.LeftStore)
	n.KeepsOf(graph.RightSide, settings.RightStore)
	for store, unmatched := range map[string]bool{settings.LeftStore: unmatchedLeft, settings.RightStore: unmatchedRight} {
		if settings.Final && unmatched {
			n.Mean(store, "records without a match wait") // other rows do not say whether they have had one
		}
	}
	copiedLeft, copiedRight := cloneHeld[V](s.node), cloneHeld[R](right.node)
	out := joined(s, right, n, func(env *operator.Env, node int, next operator.Receiver[K, W]) (operator.Receiver[K, V], error) {
		return operator.NewInterval(env, node, d, s.key, leftCodec, rightCodec, unmatchedLeft, unmatchedRight, copiedLeft, copiedRight, merge, next)
	})
	findAll(s.topology, n, errors.Join(d.Validate(), err))
	return out
}
