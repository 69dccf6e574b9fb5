package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// JoinTable joins each record with the row that a table has for its key at that moment. Records without such a row are
// dropped. Results carry the key, time and headers of the record; changes of the table emit nothing by themselves.
//
// A table that keeps former rows ([VersionedTableOf]) is asked for the row of the time of the record.
//
// Records and changes of the table are processed in the order of their timestamps, as far as they are there. Records with
// a null key are skipped and counted.
func (s Stream[K, V]) JoinTable[T, W any](table Table[K, T], f func(V, T) W) Stream[K, W] {
	return s.joinTable(table, false, func(_ context.Context, r *weir.Record[K, V], row *T) (W, error) { return f(r.Value, *row), nil }).checked(f == nil)
}

// JoinTableRecord is JoinTable with a function of the whole record that can fail.
func (s Stream[K, V]) JoinTableRecord[T, W any](table Table[K, T], f func(context.Context, weir.Record[K, V], T) (W, error)) Stream[K, W] {
	return s.joinTable(table, false, func(ctx context.Context, r *weir.Record[K, V], row *T) (W, error) { return f(ctx, *r, *row) }).checked(f == nil)
}

// LeftJoinTable is JoinTable but keeps records without a row: the function then gets nil. The function must not keep its arguments.
func (s Stream[K, V]) LeftJoinTable[T, W any](table Table[K, T], f func(V, *T) W) Stream[K, W] {
	return s.joinTable(table, true, func(_ context.Context, r *weir.Record[K, V], row *T) (W, error) { return f(r.Value, row), nil }).checked(f == nil)
}

// LeftJoinTableRecord is LeftJoinTable with a function of the whole record that can fail.
func (s Stream[K, V]) LeftJoinTableRecord[T, W any](table Table[K, T], f func(context.Context, weir.Record[K, V], *T) (W, error)) Stream[K, W] {
	return s.joinTable(table, true, func(ctx context.Context, r *weir.Record[K, V], row *T) (W, error) { return f(ctx, *r, row) }).checked(f == nil)
}

func (s Stream[K, V]) joinTable[T, W any](
	table Table[K, T], unmatched bool, merge func(context.Context, *weir.Record[K, V], *T) (W, error),
) Stream[K, W] {
	n := &graph.Node{Kind: "jointable", Site: callSite(), Keyed: true}
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		view, err := table.view(b)
		if err != nil {
			return nil, err
		}
		next, err := graph.Next[K, W](b, n)
		if err != nil {
			return nil, err
		}
		return operator.Receiver[K, V](&operator.TableJoin[K, V, T, W]{
			Env: b.Env, Node: n.ID, Table: view, Unmatched: unmatched, Merge: merge, Next: next,
		}), nil
	}
	t := s.topology
	if table.topology != t {
		t.graph.Add(n, s.node)
		t.graph.Find(n, "a table of another topology cannot be joined")
		return Stream[K, W]{t, n, s.key}
	}
	// Changes of the table go nowhere here: the join looks the row up. The node keeps both in one part.
	link := table.link("jointable-right", n.Site, func(*graph.Builder) (operator.Receiver[K, operator.Change[T]], error) {
		return operator.FanOut[K, operator.Change[T]](nil), nil
	})
	link.RightSide = true
	t.graph.Add(n, s.node, link)
	return Stream[K, W]{t, n, s.key}
}
