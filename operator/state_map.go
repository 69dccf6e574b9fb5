package operator

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
)

// MapState is Map with stores that are placed on the key of the record. Records with a null key are skipped and counted.
type MapState[K, V, T, W any] struct {
	states[K, T]
	f    func(context.Context, T, *weir.Record[K, V]) (W, error)
	next Receiver[K, W]
	out  weir.Record[K, W]
}

// NewMapState opens the stores in the task of env and returns the operator.
func NewMapState[K, V, T, W any](
	env *Env, node int, handle store.Handle[T], key codec.Codec[K],
	f func(context.Context, T, *weir.Record[K, V]) (W, error), next Receiver[K, W],
) (*MapState[K, V, T, W], error) {
	s, err := openStates(env, node, handle, key)
	if err != nil {
		return nil, err
	}
	return &MapState[K, V, T, W]{states: s, f: f, next: next}, nil
}

// Receive implements [Receiver].
func (m *MapState[K, V, T, W]) Receive(r *weir.Record[K, V]) error {
	ok, err := m.enter(r.Key, r.KeyNull, r.Millis)
	if err != nil || !ok {
		return err
	}
	derive(&m.out, r)
	value, err := m.f(m.env.Context, m.stores, r)
	if failed := m.err(); failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	m.out.Value = value
	return m.next.Receive(&m.out)
}
