package operator

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
)

// ProcessState calls a function with the stores, placed on the key of the record, and hands on the records that it
// emits. Records with a null key are skipped and counted.
type ProcessState[K, V, T, L, W any] struct {
	states[K, T]
	f      func(context.Context, T, *weir.Record[K, V], func(weir.Record[L, W])) error
	next   Receiver[L, W]
	emit   func(weir.Record[L, W])
	origin *weir.Origin
	failed error // of what came after an emit
	out    weir.Record[L, W]
}

// NewProcessState opens the stores in the task of env and returns the operator.
func NewProcessState[K, V, T, L, W any](
	env *Env, node int, handle store.Handle[T], key codec.Codec[K],
	f func(context.Context, T, *weir.Record[K, V], func(weir.Record[L, W])) error, next Receiver[L, W],
) (*ProcessState[K, V, T, L, W], error) {
	s, err := openStates(env, node, handle, key)
	if err != nil {
		return nil, err
	}
	m := &ProcessState[K, V, T, L, W]{states: s, f: f, next: next}
	m.emit = func(r weir.Record[L, W]) {
		if m.failed != nil {
			return
		}
		m.out = r
		m.out.Origin = m.origin
		if m.failed = m.next.Receive(&m.out); m.failed == nil {
			m.failed = m.again()
		}
	}
	return m, nil
}

// Receive implements [Receiver].
func (m *ProcessState[K, V, T, L, W]) Receive(r *weir.Record[K, V]) error {
	ok, err := m.enter(r.Key, r.KeyNull, r.Millis)
	if err != nil || !ok {
		return err
	}
	m.origin, m.failed = r.Origin, nil
	err = m.f(m.env.Context, m.stores, r, m.emit)
	if m.failed != nil {
		return m.failed
	}
	if failed := m.err(); failed != nil {
		return failed
	}
	return err
}

// FlatMapState is FlatMap with stores that are placed on the key of the record. Records with a null key are skipped and
// counted.
type FlatMapState[K, V, T, W any] struct {
	states[K, T]
	f    func(context.Context, T, *weir.Record[K, V]) ([]W, error)
	next Receiver[K, W]
	out  weir.Record[K, W]
}

// NewFlatMapState opens the stores in the task of env and returns the operator.
func NewFlatMapState[K, V, T, W any](
	env *Env, node int, handle store.Handle[T], key codec.Codec[K],
	f func(context.Context, T, *weir.Record[K, V]) ([]W, error), next Receiver[K, W],
) (*FlatMapState[K, V, T, W], error) {
	s, err := openStates(env, node, handle, key)
	if err != nil {
		return nil, err
	}
	return &FlatMapState[K, V, T, W]{states: s, f: f, next: next}, nil
}

// Receive implements [Receiver].
func (m *FlatMapState[K, V, T, W]) Receive(r *weir.Record[K, V]) error {
	ok, err := m.enter(r.Key, r.KeyNull, r.Millis)
	if err != nil || !ok {
		return err
	}
	values, err := m.f(m.env.Context, m.stores, r)
	if failed := m.err(); failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	for _, v := range values {
		derive(&m.out, r)
		m.out.Value = v
		if err := m.next.Receive(&m.out); err != nil {
			return err
		}
	}
	return nil
}
