package stream

import (
	"context"
	"reflect"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/clone"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// Update lets f change the target of each value: values are pointers, maps, slices or interfaces that hold one of these.
// Key, time and headers are kept. Null values pass without a call. For other values there is Map.
//
// Where the stream branches before it, or an operator before it keeps values, such as one with state, a join or a table, nobody
// else sees the change: f then gets a copy. It is made by the value's method Clone() V, if it has one, or by following pointers,
// maps, slices and exported fields. Functions of other operators must not change their arguments.
func (s Stream[K, V]) Update(f func(V)) Stream[K, V] {
	return s.update(func(_ context.Context, r *weir.Record[K, V]) error { f(r.Value); return nil }).checked(f == nil)
}

// UpdateRecord is Update with a function of the whole record that can fail.
func (s Stream[K, V]) UpdateRecord(f func(context.Context, weir.Record[K, V]) error) Stream[K, V] {
	return s.update(func(ctx context.Context, r *weir.Record[K, V]) error { return f(ctx, *r) }).checked(f == nil)
}

func (s Stream[K, V]) update(f func(context.Context, *weir.Record[K, V]) error) Stream[K, V] {
	n := &graph.Node{Kind: "update"}
	out := s.then(n, s.key, func(env *operator.Env, node int, next operator.Receiver[K, V]) (operator.Receiver[K, V], error) {
		u := &operator.Update[K, V]{Env: env, Node: node, F: f, Next: next}
		if seenByOthers(n) {
			u.Clone = clone.For[V]()
		}
		return u, nil
	})
	switch t := reflect.TypeFor[V](); t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
	default:
		s.topology.graph.Find(n, "a %v is a copy, which cannot be changed in place: use Map, or a pointer", t)
	}
	return out
}

// forgetting are the operators that may hand on the values that they get, and keep none: all others may have a value in their state,
// in a buffer or in a cache, or hand on what others gave their functions.
var forgetting = map[graph.Kind]bool{
	"filter": true, "peek": true, "update": true, "mapkey": true, "groupby": true, "assumepartitioned": true, "merge": true,
	"settimestamp": true, "setheaders": true, "addheader": true,
	"branch": true, "fanout": true, "when": true, "match": true, "otherwise": true, "flatmap": true, "map": true,
	"transform": true, "mapasync": true, "to": true, "print": true, "table": true,
}

// seenByOthers reports whether the values that come to a node may be seen elsewhere: another branch has them too, or an operator in
// front keeps them. Only what a source decodes belongs to its record alone.
func seenByOthers(n *graph.Node) bool {
	for _, p := range n.Parents {
		switch {
		case len(p.Children) > 1:
			return true
		case p.Kind == graph.KindSource:
		case !forgetting[p.Kind] || seenByOthers(p):
			return true
		}
	}
	return false
}
