package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/internal/typename"
	"github.com/weirstreams/weir/operator"
)

// Folded is a stream with the function that adds its values to the rows of [Cogroup]. [Fold] and [FoldRecord] make it.
type Folded[K, A any] struct {
	topology *Topology
	// node reads the stream. lower makes its operator, which changes rows.
	node  *graph.Node
	key   codec.Codec[K]
	lower func(b *graph.Builder, rows *operator.Rows[K, A]) (any, error)
}

// Fold is a part of [Cogroup]: f makes the next row of a key of the former one, which is the zero value of A if there is none, and a value. A result that is
// null, such as a nil pointer, deletes the row. f must not change its arguments.
func Fold[K, V, A any](s Stream[K, V], f func(row A, value V) A) Folded[K, A] {
	return fold(s, func(_ context.Context, row A, r *weir.Record[K, V]) (A, error) { return f(row, r.Value), nil }, f == nil)
}

// FoldRecord is Fold with a function of the whole record that can fail. The row stays as it was then.
func FoldRecord[K, V, A any](s Stream[K, V], f func(ctx context.Context, row A, r weir.Record[K, V]) (A, error)) Folded[K, A] {
	return fold(s, func(ctx context.Context, row A, r *weir.Record[K, V]) (A, error) { return f(ctx, row, *r) }, f == nil)
}

func fold[K, V, A any](s Stream[K, V], f func(context.Context, A, *weir.Record[K, V]) (A, error), isNil bool) Folded[K, A] {
	n := &graph.Node{Kind: "fold"}
	copied := cloneHeld[V](s.node)
	s.add(n)
	_ = Stream[K, V]{s.topology, n, s.key}.checked(isNil)
	return Folded[K, A]{topology: s.topology, node: n, key: s.key, lower: func(b *graph.Builder, rows *operator.Rows[K, A]) (any, error) {
		next, err := graph.Next[K, operator.Change[A]](b, n)
		if err != nil {
			return nil, err
		}
		return operator.Receiver[K, V](&operator.Fold[K, V, A]{Env: b.Env, Node: n.ID, Rows: rows, F: f, Clone: copied, Next: next}), nil
	}}
}

// Cogroup makes one table of several streams of one key type, each with a function of its own: a record changes the row of its key. So a customer's orders, payments and
// returns make one account, with one store, where joins of three aggregates would keep four. Null values are dropped; records with
// a null key are skipped and counted.
//
// The streams are partitioned alike, as those of a join: group them with GroupBy if they are not. Their records are processed in the order of their
// timestamps, as far as they are there (see [Stream.Merge]). An aggregate of several streams in windows is Merge and then Window.
//
// The rows are kept in a store of the given name, encoded with codec.For. Renaming it starts from nothing. A stream that is added, or taken away,
// finds the rows as they are.
func Cogroup[K, A any](name string, first Folded[K, A], others ...Folded[K, A]) Table[K, A] {
	value := codec.For[A]()
	n := &graph.Node{Kind: "cogroup", Detail: name, Site: callSite(), Stores: []string{name}, Lower: passThrough[K, operator.Change[A]]}
	n.Keep(name, typename.Codec(first.key), typename.Codec(value))
	rows := func(b *graph.Builder) (*operator.Rows[K, A], error) {
		return graph.Share(b, n, func() (*operator.Rows[K, A], error) {
			return operator.NewRows(b.Env, state.NewCell[A](name).WithCodec(value), first.key)
		})
	}
	g := &first.topology.graph
	var parents []*graph.Node
	foreign := false
	for _, part := range append([]Folded[K, A]{first}, others...) {
		if part.topology != first.topology {
			foreign = true
			continue
		}
		if part.node.Lower != nil {
			g.Find(part.node, "the stream is folded into a table already: call Fold for each Cogroup")
			continue
		}
		part.node.Lower = func(b *graph.Builder, _ *graph.Node) (any, error) {
			r, err := rows(b)
			if err != nil {
				return nil, err
			}
			return part.lower(b, r)
		}
		parents = append(parents, part.node)
	}
	g.Add(n, parents...)
	if foreign {
		g.Find(n, "a stream of another topology cannot be cogrouped")
	}
	return Table[K, A]{
		topology: first.topology, node: n, key: first.key, value: value, of: []*graph.Node{n},
		view: func(b *graph.Builder) (operator.View[K, A], error) { return rows(b) },
	}
}
