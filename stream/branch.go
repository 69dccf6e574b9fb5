package stream

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// Branches divides a stream into named cases. Each method adds a case and returns the stream of its records. Cases are
// tried in the order of their declaration.
//
//	kinds := s.Branch()
//	large := kinds.When("large", func(o Order) bool { return o.Amount > 1000 })
//	rest := kinds.Otherwise("rest")
type Branches[K, V any] struct {
	stream    Stream[K, V]
	names     map[string]bool
	otherwise bool
}

// Branch divides the stream: a record goes to the first case that takes it, and to no other. Records that no case takes are
// dropped unless there is Otherwise.
func (s Stream[K, V]) Branch() *Branches[K, V] { return s.branches("branch", false) }

// FanOut divides the stream: a record goes to every case that takes it, in order, all the way through one before the next.
// Records that no case takes are dropped unless there is Otherwise.
func (s Stream[K, V]) FanOut() *Branches[K, V] { return s.branches("fanout", true) }

func (s Stream[K, V]) branches(kind graph.Kind, all bool) *Branches[K, V] {
	n := s.add(&graph.Node{Kind: kind, Lower: func(b *graph.Builder, n *graph.Node) (any, error) {
		op := &operator.Branch[K, V]{All: all}
		for _, child := range n.Children {
			r, err := b.Build(child)
			if err != nil {
				return nil, err
			}
			if c, ok := r.(operator.Case[K, V]); ok {
				op.Cases = append(op.Cases, c)
			} else {
				op.Otherwise = r.(operator.Receiver[K, V])
			}
		}
		return operator.Receiver[K, V](op), nil
	}})
	return &Branches[K, V]{stream: Stream[K, V]{s.topology, n, s.key}, names: map[string]bool{}}
}

// When adds the case of the records with a value that f accepts.
func (b *Branches[K, V]) When(name string, f func(V) bool) Stream[K, V] {
	return b.when(name, func(_ context.Context, r *weir.Record[K, V]) (bool, error) { return f(r.Value), nil }).checked(f == nil)
}

// WhenRecord is When with a function of the whole record that can fail.
func (b *Branches[K, V]) WhenRecord(name string, f func(context.Context, weir.Record[K, V]) (bool, error)) Stream[K, V] {
	return b.when(name, func(ctx context.Context, r *weir.Record[K, V]) (bool, error) { return f(ctx, *r) }).checked(f == nil)
}

func (b *Branches[K, V]) when(name string, f func(context.Context, *weir.Record[K, V]) (bool, error)) Stream[K, V] {
	return branchCase(b, "when", name, func(env *operator.Env, node int, next operator.Receiver[K, V]) operator.Case[K, V] {
		return &operator.When[K, V]{Env: env, Node: node, F: f, Next: next}
	})
}

// Match adds the case of the records that f turns into a value of any type: the case takes a record if f returns true.
//
//	orders := kinds.Match("orders", func(e Event) (Order, bool) { o, ok := e.(Order); return o, ok })
func (b *Branches[K, V]) Match[W any](name string, f func(V) (W, bool)) Stream[K, W] {
	return b.match(name, func(_ context.Context, r *weir.Record[K, V]) (W, bool, error) {
		w, ok := f(r.Value)
		return w, ok, nil
	}).checked(f == nil)
}

// MatchRecord is Match with a function of the whole record that can fail.
func (b *Branches[K, V]) MatchRecord[W any](name string, f func(context.Context, weir.Record[K, V]) (W, bool, error)) Stream[K, W] {
	return b.match(name, func(ctx context.Context, r *weir.Record[K, V]) (W, bool, error) { return f(ctx, *r) }).checked(f == nil)
}

func (b *Branches[K, V]) match[W any](name string, f func(context.Context, *weir.Record[K, V]) (W, bool, error)) Stream[K, W] {
	return branchCase(b, "match", name, func(env *operator.Env, node int, next operator.Receiver[K, W]) operator.Case[K, V] {
		return &operator.Match[K, V, W]{Env: env, Node: node, F: f, Next: next}
	})
}

// Otherwise is the case of the records that no other case takes, wherever it is declared. There is one at most.
func (b *Branches[K, V]) Otherwise(name string) Stream[K, V] {
	n := b.add(&graph.Node{Kind: "otherwise", Detail: name, Lower: passThrough[K, V]}, name)
	if b.otherwise {
		b.stream.topology.graph.Find(n, "there is an Otherwise already")
	}
	b.otherwise = true
	return Stream[K, V]{b.stream.topology, n, b.stream.key}
}

func branchCase[K, V, W any](
	b *Branches[K, V], kind graph.Kind, name string,
	f func(env *operator.Env, node int, next operator.Receiver[K, W]) operator.Case[K, V],
) Stream[K, W] {
	n := b.add(&graph.Node{Kind: kind, Detail: name, Lower: func(b *graph.Builder, n *graph.Node) (any, error) {
		next, err := graph.Next[K, W](b, n)
		if err != nil {
			return nil, err
		}
		return f(b.Env, n.ID, next), nil
	}}, name)
	return Stream[K, W]{b.stream.topology, n, b.stream.key}
}

func (b *Branches[K, V]) add(n *graph.Node, name string) *graph.Node {
	n = b.stream.add(n)
	switch {
	case name == "":
		b.stream.topology.graph.Find(n, "the case has no name")
	case b.names[name]:
		b.stream.topology.graph.Find(n, "there is a case %q already", name)
	}
	b.names[name] = true
	return n
}
