package stream

import (
	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/store"
)

// Process runs a processor, which f makes of its stores, one for each task. The stores are cells, maps, timers or a group
// of these; store.None if there are none. The rules of MapState for state and of MapKey for keys hold for Process too.
//
// Timers are kept in a store.Timers, per key and name. Those in event time fire before the first record that reaches
// their time; those in processing time fire between two records. An error of a processor outside of the
// processing of a record cannot be skipped.
func (s Stream[K, V]) Process[T, L, W any](stores store.Handle[T], f func(T) weir.Processor[K, V, L, W]) Stream[L, W] {
	return s.stateful("process", stores, codec.For[L](), func(env *operator.Env, node int, next operator.Receiver[L, W]) (operator.Receiver[K, V], error) {
		return operator.NewProcess(env, node, stores, s.key, f, next)
	}).checked(f == nil)
}
