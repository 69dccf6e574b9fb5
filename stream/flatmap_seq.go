package stream

import (
	"iter"

	"github.com/weirstreams/weir/operator"
)

// FlatMapSeq is FlatMap with a function that returns an iterator. Each value goes all the way through the topology before
// the iterator is asked for the next one. A nil iterator has no values. ProcessState with store.None does the same for functions
// that see the record or can fail.
func (s Stream[K, V]) FlatMapSeq[W any](f func(V) iter.Seq[W]) Stream[K, W] {
	return s.operate("flatmap", func(env *operator.Env, node int, next operator.Receiver[K, W]) operator.Receiver[K, V] {
		return operator.NewFlatMapSeq(env, node, f, next)
	}).checked(f == nil)
}
