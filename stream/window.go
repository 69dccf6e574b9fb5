package stream

import (
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/window"
)

// Windowed is a stream whose records fall into windows by their time. It is made by Stream.Window.
type Windowed[K, V any] struct {
	stream     Stream[K, V]
	definition window.Definition
}

// Window assigns the records of each key to windows. What is computed in a window is said by Aggregate.
func (s Stream[K, V]) Window(d window.Definition) Windowed[K, V] { return Windowed[K, V]{s, d} }

// Aggregate computes one result per key and window. When results are emitted is said by Final or Current.
func (w Windowed[K, V]) Aggregate[A, R any](a window.Aggregator[V, A, R]) Aggregated[K, R] {
	return Aggregated[K, R]{func(emission operator.Emission) Stream[K, window.Result[R]] {
		s, d := w.stream, w.definition
		n := &graph.Node{Kind: "window", Detail: d.String(), Stores: []string{d.StoreName()}}
		out := s.then(n, s.key, func(env *operator.Env, node int, next operator.Receiver[K, window.Result[R]]) (operator.Receiver[K, V], error) {
			return operator.NewWindow(env, node, d, a, emission, s.key, next)
		})
		if err := d.Validate(); err != nil {
			s.topology.graph.Find(n, "%v", err)
		}
		if a == nil {
			s.topology.graph.Find(n, "the aggregator is nil")
		} else if v, ok := a.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				s.topology.graph.Find(n, "%v", err)
			}
		}
		return out
	}}
}

// Aggregated is a windowed aggregation that only lacks a word on when its results are emitted. It does nothing until
// Final or Current is called, and takes one of them.
type Aggregated[K, R any] struct {
	emit func(operator.Emission) Stream[K, window.Result[R]]
}

// Final emits one result per window, when it closes. Results of one record come in the order of their windows. They
// carry the key and the start of the window as their time, and no headers.
func (a Aggregated[K, R]) Final() Stream[K, window.Result[R]] { return a.emit(operator.Final) }

// Current emits the result of a window each time that a record has changed it, and nothing when the window closes.
func (a Aggregated[K, R]) Current() Stream[K, window.Result[R]] { return a.emit(operator.Current) }
