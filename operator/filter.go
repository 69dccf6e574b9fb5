package operator

import (
	"context"

	"github.com/weirstreams/weir"
)

// Filter hands on the records with a value that a function accepts.
type Filter[K, V any] struct {
	Env  *Env
	Node int
	F    func(V) bool
	Next Receiver[K, V]
}

// Receive implements [Receiver].
func (f *Filter[K, V]) Receive(r *weir.Record[K, V]) error {
	f.Env.Enter(f.Node)
	if !f.F(r.Value) {
		return nil
	}
	return f.Next.Receive(r)
}

// FilterRecord is Filter for functions of the whole record that can fail.
type FilterRecord[K, V any] struct {
	Env  *Env
	Node int
	F    func(context.Context, *weir.Record[K, V]) (bool, error)
	Next Receiver[K, V]
}

// Receive implements [Receiver].
func (f *FilterRecord[K, V]) Receive(r *weir.Record[K, V]) error {
	f.Env.Enter(f.Node)
	ok, err := f.F(f.Env.Context, r)
	if err != nil || !ok {
		return err
	}
	return f.Next.Receive(r)
}
