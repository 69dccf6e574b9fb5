package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/clone"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/typename"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/operator"
)

// JoinLookup joins each record with a row that is kept outside of Kafka: query says which one, lookup finds it, and f makes a
// result of both. Records without a row are dropped. Results carry the key, time and headers of the record.
//
// The records that a worker processes in one go, up to some hundred, are looked up together, and handed on in their order.
// Records of the same input that take another way through the topology may overtake them there. Lookups are not repeatable:
// the rows may change, and a replay then gives other results. Where that matters, bring the rows in as a topic, and join a
// Table. Keys may be null.
//
// The lookup may be used by several operators, and belongs to the caller. Close it after the end of App.Run. While it
// is unavailable (weir.RetryLaterError), the worker stops reading, and tries again until it answers (join.Limits); an error of
// one query goes to the error policy with its record.
//
// Values are held until there is an answer. Behind operators with state, which may change values later, copies
// are held, made as for Update.
func (s Stream[K, V]) JoinLookup[Q, R, W any](lookup join.Lookup[Q, R], query func(V) Q, f func(V, R) W) Stream[K, W] {
	return s.joinLookup(lookup, false, func(_ context.Context, r *weir.Record[K, V]) (Q, error) {
		return query(r.Value), nil
	}, func(_ context.Context, r *weir.Record[K, V], row *R) (W, error) {
		return f(r.Value, *row), nil
	}).checked(query == nil).checked(f == nil)
}

// JoinLookupRecord is JoinLookup with functions of the whole record that can fail.
func (s Stream[K, V]) JoinLookupRecord[Q, R, W any](
	lookup join.Lookup[Q, R], query func(context.Context, weir.Record[K, V]) (Q, error), f func(context.Context, weir.Record[K, V], R) (W, error),
) Stream[K, W] {
	return s.joinLookup(lookup, false, func(ctx context.Context, r *weir.Record[K, V]) (Q, error) {
		return query(ctx, *r)
	}, func(ctx context.Context, r *weir.Record[K, V], row *R) (W, error) {
		return f(ctx, *r, *row)
	}).checked(query == nil).checked(f == nil)
}

// LeftJoinLookup is JoinLookup but keeps records without a row: the function then gets nil. The function must not change its arguments.
func (s Stream[K, V]) LeftJoinLookup[Q, R, W any](lookup join.Lookup[Q, R], query func(V) Q, f func(V, *R) W) Stream[K, W] {
	return s.joinLookup(lookup, true, func(_ context.Context, r *weir.Record[K, V]) (Q, error) {
		return query(r.Value), nil
	}, func(_ context.Context, r *weir.Record[K, V], row *R) (W, error) {
		return f(r.Value, row), nil
	}).checked(query == nil).checked(f == nil)
}

// LeftJoinLookupRecord is LeftJoinLookup with functions of the whole record that can fail.
func (s Stream[K, V]) LeftJoinLookupRecord[Q, R, W any](
	lookup join.Lookup[Q, R], query func(context.Context, weir.Record[K, V]) (Q, error), f func(context.Context, weir.Record[K, V], *R) (W, error),
) Stream[K, W] {
	return s.joinLookup(lookup, true, func(ctx context.Context, r *weir.Record[K, V]) (Q, error) {
		return query(ctx, *r)
	}, func(ctx context.Context, r *weir.Record[K, V], row *R) (W, error) {
		return f(ctx, *r, row)
	}).checked(query == nil).checked(f == nil)
}

func (s Stream[K, V]) joinLookup[Q, R, W any](
	lookup join.Lookup[Q, R], unmatched bool, query func(context.Context, *weir.Record[K, V]) (Q, error),
	merge func(context.Context, *weir.Record[K, V], *R) (W, error),
) Stream[K, W] {
	copied := cloneHeld[V](s.node)
	build := func(env *operator.Env, node int, next operator.Receiver[K, W]) (operator.Receiver[K, V], error) {
		l := operator.NewLookup(env, node, lookup, unmatched, query, merge, next)
		l.Clone = copied
		return l, nil
	}
	n := &graph.Node{Kind: "joinlookup"}
	settings := join.SettingsOf(lookup)
	problems := settings.Invalid
	if wait := settings.Wait; wait != nil {
		value, err := stateCodec[V]("left", settings.Value)
		problems = errors.Join(problems, err)
		n.Detail, n.Stores = fmt.Sprint(wait.Store, " ", time.Duration(wait.Millis)*time.Millisecond), []string{wait.Store, wait.Times}
		n.Keep(wait.Store, typename.Codec(s.key), typename.Codec(value))
		n.Keep(wait.Times, typename.Codec(s.key), "time")
		build = func(env *operator.Env, node int, next operator.Receiver[K, W]) (operator.Receiver[K, V], error) {
			return operator.NewBufferedLookup(env, node, lookup, unmatched, s.key, value, copied, query, merge, next)
		}
	}
	out := s.then(n, s.key, build)
	findAll(s.topology, n, problems)
	if lookup == nil {
		s.topology.graph.Find(out.node, "the lookup is nil")
	}
	return out
}

// cloneHeld returns what copies the values that an operator behind a node holds, or nil if they cannot change meanwhile.
func cloneHeld[V any](n *graph.Node) func(V) V {
	if !clone.Needed[V]() || !behindState(n) {
		return nil
	}
	return clone.For[V]()
}

// behindState reports whether the output values of a node may be values in a store of its task.
func behindState(n *graph.Node) bool {
	if n.Kind == graph.KindRepartition {
		return false
	}
	return len(n.Stores) > 0 || slices.ContainsFunc(n.Parents, behindState)
}
