package operator

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
)

// FilterState is Filter with stores that are placed on the key of the record. Records with a null key are skipped and
// counted.
type FilterState[K, V, T any] struct {
	states[K, T]
	f    func(context.Context, T, *weir.Record[K, V]) (bool, error)
	next Receiver[K, V]
}

// NewFilterState opens the stores in the task of env and returns the operator.
func NewFilterState[K, V, T any](
	env *Env, node int, handle store.Handle[T], key codec.Codec[K],
	f func(context.Context, T, *weir.Record[K, V]) (bool, error), next Receiver[K, V],
) (*FilterState[K, V, T], error) {
	s, err := openStates(env, node, handle, key)
	if err != nil {
		return nil, err
	}
	return &FilterState[K, V, T]{states: s, f: f, next: next}, nil
}

// Receive implements [Receiver].
func (m *FilterState[K, V, T]) Receive(r *weir.Record[K, V]) error {
	ok, err := m.enter(r.Key, r.KeyNull, r.Millis)
	if err != nil || !ok {
		return err
	}
	keep, err := m.f(m.env.Context, m.stores, r)
	if failed := m.err(); failed != nil {
		return failed
	}
	if err != nil || !keep {
		return err
	}
	return m.next.Receive(r)
}
