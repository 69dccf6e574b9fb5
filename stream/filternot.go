package stream

import "github.com/weirstreams/weir/operator"

// FilterNot drops the records with a value that f accepts. FilterRecord serves conditions on the whole record.
func (s Stream[K, V]) FilterNot(f func(V) bool) Stream[K, V] {
	return s.operate("filternot", func(env *operator.Env, node int, next operator.Receiver[K, V]) operator.Receiver[K, V] {
		return &operator.Filter[K, V]{Env: env, Node: node, F: func(v V) bool { return !f(v) }, Next: next}
	}).checked(f == nil)
}
