package operator

import "github.com/weirstreams/weir"

// End takes the records of an operator that nothing follows.
type End[K, V any] struct{ Env *Env }

// Receive implements [Receiver].
func (e End[K, V]) Receive(*weir.Record[K, V]) error {
	e.Env.Outputs++
	return nil
}
