package stream

import (
	"errors"
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// twoSided is an operator that receives left records; Right receives the right ones.
type twoSided[K, R any] interface {
	Right() operator.Receiver[K, R]
}

// joined puts an operator with two inputs behind left and right. The right input has a node of its own, which comes first:
// of a record that is on both sides, the right side is seen first.
func joined[K, V, R, W any](
	left Stream[K, V], right Stream[K, R], n *graph.Node,
	build func(env *operator.Env, node int, next operator.Receiver[K, W]) (operator.Receiver[K, V], error),
) Stream[K, W] {
	n.Site = callSite()
	n.Lower = func(b *graph.Builder, n *graph.Node) (any, error) {
		next, err := graph.Next[K, W](b, n)
		if err != nil {
			return nil, err
		}
		return build(b.Env, n.ID, next)
	}
	side := &graph.Node{Kind: n.Kind + "-right", Detail: n.Detail, Site: n.Site, RightSide: true}
	side.Lower = func(b *graph.Builder, _ *graph.Node) (any, error) {
		return graph.InputOf(b, n, twoSided[K, R].Right)
	}
	t := left.topology
	if right.topology != t {
		t.graph.Add(n, left.node)
		t.graph.Find(n, "a stream of another topology cannot be joined")
		return Stream[K, W]{t, n, left.key}
	}
	t.graph.Add(side, right.node)
	t.graph.Add(n, left.node, side)
	return Stream[K, W]{t, n, left.key}
}

// findAll records mistakes, one each, that errors.Join may have put together.
func findAll(t *Topology, n *graph.Node, err error) {
	if err == nil {
		return
	}
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range all.Unwrap() {
			findAll(t, n, e)
		}
		return
	}
	t.graph.Find(n, "%v", err)
}

// stateCodec returns the codec that a definition has set for values of a side, or the default.
func stateCodec[V any](side string, set any) (codec.Codec[V], error) {
	if set == nil {
		return codec.For[V](), nil
	}
	c, ok := set.(codec.Codec[V])
	if !ok {
		return codec.For[V](), fmt.Errorf("the codec of the %s side is a %T, which is not one of its values", side, set)
	}
	return c, nil
}

// sideCodecs returns the codecs of both sides.
func sideCodecs[V, R any](left, right any) (codec.Codec[V], codec.Codec[R], error) {
	l, err := stateCodec[V]("left", left)
	r, err2 := stateCodec[R]("right", right)
	return l, r, errors.Join(err, err2)
}
