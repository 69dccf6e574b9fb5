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

// JoinAsOf joins each record with the record of right that has the same key and was valid at its time: the latest that is
// not later, unless the definition says otherwise. Records without such a one are dropped. A null value of right says that
// there is none from its time on.
//
// Results carry the key, time and headers of the left record. A right record never emits a result by itself, and
// changes no emitted result. Records with a null key are skipped and counted.
func (s Stream[K, V]) JoinAsOf[R, W any](right Stream[K, R], d join.AsOf, f func(V, R) W) Stream[K, W] {
	return s.joinAsOf(right, d, false, func(_ context.Context, l *weir.Record[K, V], r *join.Matched[R]) (W, error) {
		return f(l.Value, r.Value), nil
	}).checked(f == nil)
}

// JoinAsOfRecord is JoinAsOf with a function of the whole record and of the match with its time that can fail.
func (s Stream[K, V]) JoinAsOfRecord[R, W any](right Stream[K, R], d join.AsOf, f func(context.Context, weir.Record[K, V], join.Matched[R]) (W, error)) Stream[K, W] {
	return s.joinAsOf(right, d, false, func(ctx context.Context, l *weir.Record[K, V], r *join.Matched[R]) (W, error) {
		return f(ctx, *l, *r)
	}).checked(f == nil)
}

// LeftJoinAsOf is JoinAsOf but keeps records without a match: the function then gets nil. The function must not keep its arguments.
func (s Stream[K, V]) LeftJoinAsOf[R, W any](right Stream[K, R], d join.AsOf, f func(V, *R) W) Stream[K, W] {
	return s.joinAsOf(right, d, true, func(_ context.Context, l *weir.Record[K, V], r *join.Matched[R]) (W, error) {
		return f(l.Value, matchValue(r)), nil
	}).checked(f == nil)
}

// LeftJoinAsOfRecord is LeftJoinAsOf with a function of the whole record and of the match with its time, or nil, that can
// fail.
func (s Stream[K, V]) LeftJoinAsOfRecord[R, W any](right Stream[K, R], d join.AsOf, f func(context.Context, weir.Record[K, V], *join.Matched[R]) (W, error)) Stream[K, W] {
	return s.joinAsOf(right, d, true, func(ctx context.Context, l *weir.Record[K, V], r *join.Matched[R]) (W, error) {
		return f(ctx, *l, r)
	}).checked(f == nil)
}

func matchValue[R any](m *join.Matched[R]) *R {
	if m == nil {
		return nil
	}
	return &m.Value
}

func (s Stream[K, V]) joinAsOf[R, W any](
	right Stream[K, R], d join.AsOf, unmatched bool, merge func(context.Context, *weir.Record[K, V], *join.Matched[R]) (W, error),
) Stream[K, W] {
	settings := d.Settings()
	leftCodec, rightCodec, err := sideCodecs[V, R](settings.Left, settings.Right)
	n := &graph.Node{Kind: "joinasof", Detail: d.StoreName(), Stores: []string{d.StoreName()}, Timed: settings.Waiting != ""}
	n.Keep(d.StoreName(), typename.Codec(s.key), typename.Codec(rightCodec))
	n.KeepsOf(graph.RightSide, d.StoreName())
	if settings.Duplicates {
		n.Mean(d.StoreName(), "duplicates are kept")
	}
	if waiting := settings.Waiting; waiting != "" {
		n.Stores = append(n.Stores, waiting)
		n.Keep(waiting, typename.Codec(s.key), typename.Codec(leftCodec))
		n.KeepsOf(graph.LeftSide, waiting)
	}
	if wait := settings.Wait; wait != nil {
		n.Stores = append(n.Stores, wait.Store, wait.Times)
		n.Keep(wait.Store, typename.Codec(s.key), typename.Codec(leftCodec))
		n.Keep(wait.Times, typename.Codec(s.key), "time")
		n.KeepsOf(graph.LeftSide, wait.Store, wait.Times)
	}
	copiedLeft, copiedRight := cloneHeld[V](s.node), cloneHeld[R](right.node)
	out := joined(s, right, n, func(env *operator.Env, node int, next operator.Receiver[K, W]) (operator.Receiver[K, V], error) {
		return operator.NewAsOf(env, node, d, s.key, leftCodec, rightCodec, unmatched, copiedLeft, copiedRight, merge, next)
	})
	findAll(s.topology, n, errors.Join(d.Validate(), err))
	return out
}
