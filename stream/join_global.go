package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// ErrNoKey is the error that the key function of JoinGlobalRecord or LeftJoinGlobalRecord returns, or wraps, for a record that
// refers to no row. The key functions of JoinGlobal and LeftJoinGlobal say so with a null key, if the keys of the table can be
// null (pointers, byte slices), or with a key that the table never has.
var ErrNoKey = operator.ErrNoKey

// JoinGlobal joins each record with the row that a global table has for a key that is derived of the record. Records without
// such a row are dropped. Results carry the key, time and headers of the record; changes of the table emit nothing by
// themselves. The key of the record may be null, and the stream need not be partitioned like the table.
//
// The row is the one that the table has when the record is processed: the table is read on its own, without regard to timestamps.
// All records of its topic from before the start of the process are there. A replay finds the rows of today, and two processes may see a
// change at different times. Where a result must not depend on that, use [Stream.JoinTable] or an as-of join.
//
// The targets of pointers, slices and maps in the row are shared with all tasks and must not be changed.
func (s Stream[K, V]) JoinGlobal[K2, T, W any](table GlobalTable[K2, T], key func(V) K2, f func(V, T) W) Stream[K, W] {
	return s.joinGlobal(table, false,
		func(_ context.Context, r *weir.Record[K, V]) (K2, error) { return key(r.Value), nil },
		func(_ context.Context, r *weir.Record[K, V], row *T) (W, error) { return f(r.Value, *row), nil },
	).checked(key == nil || f == nil)
}

// JoinGlobalRecord is JoinGlobal with functions of the whole record that can fail. The key function returns
// [ErrNoKey] for a record that refers to no row.
func (s Stream[K, V]) JoinGlobalRecord[K2, T, W any](
	table GlobalTable[K2, T], key func(context.Context, weir.Record[K, V]) (K2, error), f func(context.Context, weir.Record[K, V], T) (W, error),
) Stream[K, W] {
	return s.joinGlobal(table, false,
		func(ctx context.Context, r *weir.Record[K, V]) (K2, error) { return key(ctx, *r) },
		func(ctx context.Context, r *weir.Record[K, V], row *T) (W, error) { return f(ctx, *r, *row) },
	).checked(key == nil || f == nil)
}

// LeftJoinGlobal is JoinGlobal but keeps records without a row: the function then gets nil. The function must not keep its arguments.
func (s Stream[K, V]) LeftJoinGlobal[K2, T, W any](table GlobalTable[K2, T], key func(V) K2, f func(V, *T) W) Stream[K, W] {
	return s.joinGlobal(table, true,
		func(_ context.Context, r *weir.Record[K, V]) (K2, error) { return key(r.Value), nil },
		func(_ context.Context, r *weir.Record[K, V], row *T) (W, error) { return f(r.Value, row), nil },
	).checked(key == nil || f == nil)
}

// LeftJoinGlobalRecord is LeftJoinGlobal with functions of the whole record that can fail. The key function returns
// [ErrNoKey] for a record that refers to no row.
func (s Stream[K, V]) LeftJoinGlobalRecord[K2, T, W any](
	table GlobalTable[K2, T], key func(context.Context, weir.Record[K, V]) (K2, error), f func(context.Context, weir.Record[K, V], *T) (W, error),
) Stream[K, W] {
	return s.joinGlobal(table, true,
		func(ctx context.Context, r *weir.Record[K, V]) (K2, error) { return key(ctx, *r) },
		func(ctx context.Context, r *weir.Record[K, V], row *T) (W, error) { return f(ctx, *r, row) },
	).checked(key == nil || f == nil)
}

func (s Stream[K, V]) joinGlobal[K2, T, W any](
	table GlobalTable[K2, T], unmatched bool,
	key func(context.Context, *weir.Record[K, V]) (K2, error), merge func(context.Context, *weir.Record[K, V], *T) (W, error),
) Stream[K, W] {
	n := &graph.Node{Kind: "joinglobal", Site: callSite(), Globals: []*graph.Node{table.node}}
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		view, err := table.view(b)
		if err != nil {
			return nil, err
		}
		next, err := graph.Next[K, W](b, n)
		if err != nil {
			return nil, err
		}
		return operator.Receiver[K, V](&operator.GlobalJoin[K, V, K2, T, W]{
			Env: b.Env, Node: n.ID, Table: view, Key: key, Unmatched: unmatched, Merge: merge, Next: next,
		}), nil
	}
	t := s.topology
	t.graph.Add(n, s.node)
	if table.topology != t {
		n.Globals = nil
		t.graph.Find(n, "a global table of another topology cannot be joined")
	}
	return Stream[K, W]{t, n, s.key}
}
