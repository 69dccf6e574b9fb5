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
// Where the stream branches before it, other branches do not see the change: f then gets a copy. It is made by the
// value's method Clone() V, if it has one, or by following pointers, maps, slices and exported fields. Functions of
// other operators must not change their arguments.
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

// passing are the operators that hand on the values that they get.
var passing = map[graph.Kind]bool{
	"filter": true, "filternot": true, "peek": true, "update": true, "mapkey": true, "groupby": true, "merge": true,
	"settimestamp": true, "setheaders": true, "addheader": true, "filterstate": true, "deduplicate": true,
	"branch": true, "fanout": true, "when": true, "match": true, "otherwise": true, "flatmap": true, "map": true,
	"transform": true, "to": true, "print": true,
}

// seenByOthers reports whether the values that come to a node go somewhere else as well.
func seenByOthers(n *graph.Node) bool {
	for _, p := range n.Parents {
		if len(p.Children) > 1 || passing[p.Kind] && seenByOthers(p) {
			return true
		}
	}
	return false
}
