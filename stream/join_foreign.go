package stream

import (
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/typename"
	"github.com/weirstreams/weir/operator"
)

// JoinForeignKey joins each row of t with a row of another table, by a key in the row of t: foreignKey returns that key, or false
// if the row has none. Any number of rows of t may name the same row of right. The result has the keys of t, and a row where
// both sides have one. When a row of either side changes or is deleted, so does that of the result, or all those that name it.
//
// The right row may be in another task. So the key of each row is sent to it through an internal topic, and the right row
// comes back through another one: the row of the result follows that of t with a delay, which exactly once is two checkpoints
// of the members that do the work. A change of a row that names the same row as before needs no such exchange. When the row names
// another one, the row of the result stays as it was until that is there. Results have no headers; those of a change of right
// have its time.
//
// The name is part of those of the internal topics and of two stores: one, of that name, has the right row for each row of t;
// the other, with "_subscriptions" behind it, has which rows name a row of right, for as long as they do, whether there is
// such a row or not. Rows of both sides are encoded with the codecs of their tables. The keys that foreignKey returns are
// encoded as those of right. The topic of right must be partitioned by the hash of its keys: see [Stream.GroupByKey] otherwise.
//
// foreignKey and f must give the same result for the same rows: f is called again to compute former rows.
func (t Table[K, V]) JoinForeignKey[F, R, W any](
	name string, right Table[F, R], foreignKey func(V) (F, bool), f func(V, R) W,
) Table[K, W] {
	return t.joinForeignKey(name, right, false, foreignKey, func(l *V, r *R) W { return f(*l, *r) }, f == nil)
}

// LeftJoinForeignKey is JoinForeignKey but has a row for each of t: f gets nil if right has no row of that key, or the row of
// t names none. The function must not keep its arguments.
func (t Table[K, V]) LeftJoinForeignKey[F, R, W any](
	name string, right Table[F, R], foreignKey func(V) (F, bool), f func(V, *R) W,
) Table[K, W] {
	return t.joinForeignKey(name, right, true, foreignKey, func(l *V, r *R) W { return f(*l, r) }, f == nil)
}

func (t Table[K, V]) joinForeignKey[F, R, W any](
	name string, right Table[F, R], unmatched bool, foreignKey func(V) (F, bool), merge func(*V, *R) W, isNil bool,
) Table[K, W] {
	site := callSite()
	g := &t.topology.graph
	n := &graph.Node{Kind: "joinforeignkey", Detail: name, Site: site, Stores: []string{name}}
	n.Keep(name, typename.Codec(t.key), typename.Codec(t.value)+" and "+typename.Codec(right.value))
	view := func(b *graph.Builder) (*operator.ForeignKeyView[K, V, R, W], error) {
		return graph.Share(b, n, func() (*operator.ForeignKeyView[K, V, R, W], error) {
			left, err := t.view(b)
			if err != nil {
				return nil, err
			}
			v := &operator.ForeignKeyView[K, V, R, W]{Left: left, Unmatched: unmatched, Merge: merge}
			return v, v.Open(b.Env, name, t.key, t.value, right.value)
		})
	}
	result := Table[K, W]{
		topology: t.topology, node: n, key: t.key, value: codec.For[W](), of: t.of,
		view: func(b *graph.Builder) (operator.View[K, W], error) { return view(b) },
	}
	if right.topology != t.topology {
		g.Add(n, t.node)
		g.Find(n, "a table of another topology cannot be joined")
		return result
	}

	changes := t.link("joinforeignkey-left", site, func(b *graph.Builder) (operator.Receiver[K, operator.Change[V]], error) {
		return graph.InputOf(b, n, (*operator.ForeignKeyJoin[K, V, F, R, W]).Changes)
	})
	changes.Detail = name
	subscribe, subscriptions := attached(name+"_subscription", site)
	g.Add(subscribe, changes)
	answers := right.rightOfForeignKey(name, site, subscriptions)

	answers.Lower = func(b *graph.Builder, answers *graph.Node) (any, error) {
		return graph.InputOf(b, n, func(op *operator.ForeignKeyJoin[K, V, F, R, W]) operator.Receiver[K, operator.ForeignKeyAnswer] {
			return op.Answers(b.Topic(answers))
		})
	}
	answers.Source.Input = func(env *operator.Env, node int, topic string, next any) operator.Input {
		return operator.NewSource(env, node, topic, t.key, operator.ForeignKeyAnswers(), nil,
			next.(operator.Receiver[K, operator.ForeignKeyAnswer]))
	}
	g.Add(answers)
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		v, err := view(b)
		if err != nil {
			return nil, err
		}
		to, err := b.Build(subscribe)
		if err != nil {
			return nil, err
		}
		next, err := graph.Next[K, operator.Change[W]](b, n)
		if err != nil {
			return nil, err
		}
		return &operator.ForeignKeyJoin[K, V, F, R, W]{
			Env: b.Env, Node: n.ID, View: v, ForeignKey: foreignKey, Foreign: right.key,
			Subscriptions: to.(*operator.ForeignKeyTopic), Next: next,
		}, nil
	}
	g.Add(n, changes, answers)
	if foreignKey == nil || isNil {
		g.Find(n, "the function is nil")
	}
	return result
}

// rightOfForeignKey adds the right side of a join, which answers subscriptions. It returns the node that reads the answers,
// which is not added yet.
func (t Table[F, R]) rightOfForeignKey(name, site string, subscriptions *graph.Node) (answers *graph.Node) {
	g := &t.topology.graph
	store := name + "_subscriptions"
	n := &graph.Node{Kind: "joinforeignkey-right", Detail: name, Site: site, Stores: []string{store}}
	n.Keep(store, typename.Codec(t.key), "subscription")
	changes := t.link("joinforeignkey-changes", site, func(b *graph.Builder) (operator.Receiver[F, operator.Change[R]], error) {
		return graph.InputOf(b, n, (*operator.ForeignKeyRight[F, R]).Changes)
	})
	changes.Detail = name
	subscriptions.Lower = func(b *graph.Builder, _ *graph.Node) (any, error) {
		return graph.InputOf(b, n, (*operator.ForeignKeyRight[F, R]).Subscriptions)
	}
	subscriptions.Source.Input = func(env *operator.Env, node int, topic string, next any) operator.Input {
		return operator.NewSource(env, node, topic, codec.Bytes(), operator.ForeignKeySubscriptions(), nil,
			next.(operator.Receiver[[]byte, operator.ForeignKeySubscription]))
	}
	g.Add(subscriptions)
	answer, answers := attached(name+"_response", site)
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		right, err := t.view(b)
		if err != nil {
			return nil, err
		}
		to, err := b.Build(answer)
		if err != nil {
			return nil, err
		}
		op := &operator.ForeignKeyRight[F, R]{Env: b.Env, Node: n.ID, Right: right, Answers: to.(*operator.ForeignKeyTopic)}
		return op, op.Open(store, b.Topic(subscriptions), t.key, t.value)
	}
	g.Add(n, changes, subscriptions)
	g.Add(answer, n)
	return answers
}

// attached returns the nodes that write and read an internal topic of a join, which are not added yet. Lower and
// Source.Input of the second are left to the caller.
func attached(operation, site string) (writer, reader *graph.Node) {
	writer = &graph.Node{
		Kind: graph.KindRepartition, Detail: operation, Site: site,
		Sink: &graph.Sink{Repartition: operation, Attached: true},
		Lower: func(b *graph.Builder, n *graph.Node) (any, error) {
			topic := b.Topic(n)
			output, err := b.Env.Output(topic)
			if err != nil {
				return nil, err
			}
			return operator.NewForeignKeyTopic(b.Env, n.ID, topic, output), nil
		},
	}
	reader = &graph.Node{
		Kind: graph.KindSource, Detail: operation, Site: site,
		Source: &graph.Source{Repartition: writer},
	}
	return writer, reader
}
