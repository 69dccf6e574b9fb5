package operator

import (
	"context"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/window"
)

// Reduce combines the values of each key with a function, and emits the result so far. Null values are dropped; records
// with a null key are skipped and counted.
type Reduce[K, V any] struct {
	states[K, *store.Cell[V]]
	cell *state.Cell[V] // the same, without a call in between
	f    func(context.Context, V, *weir.Record[K, V]) (V, error)
	null nullRule[V]
	next Receiver[K, V]
	out  weir.Record[K, V]
}

// NewReduce opens the cell in the task of env and returns the operator.
func NewReduce[K, V any](
	env *Env, node int, cell *store.CellHandle[V], key codec.Codec[K], f func(context.Context, V, *weir.Record[K, V]) (V, error), next Receiver[K, V],
) (*Reduce[K, V], error) {
	s, err := openStates(env, node, cell, key)
	if err != nil {
		return nil, err
	}
	return &Reduce[K, V]{states: s, cell: s.uses[0].Store.(*state.Cell[V]), f: f, null: typeNullRule[V](), next: next}, nil
}

// Receive implements [Receiver].
func (m *Reduce[K, V]) Receive(r *weir.Record[K, V]) error {
	ok, err := m.enter(r.Key, r.KeyNull, r.Millis)
	if err != nil || !ok || r.ValueNull || m.null.any && m.null.is(&r.Value) {
		return err
	}
	derive(&m.out, r)
	if soFar := m.cell.Find(); soFar == nil {
		m.out.Value = r.Value
	} else if m.out.Value, err = m.f(m.env.Context, *soFar, r); err != nil {
		return err
	}
	m.cell.SetTo(&m.out.Value)
	return m.next.Receive(&m.out)
}

// Aggregate keeps an accumulator for each key, and emits its result with each record. Null values are dropped unless the
// aggregator takes them; records with a null key are skipped and counted.
type Aggregate[K, V, A, R any] struct {
	states[K, *store.Cell[A]]
	cell       *state.Cell[A] // the same, without a call in between
	aggregator window.Aggregator[V, A, R]
	takesNull  bool
	null       nullRule[V]
	next       Receiver[K, R]
	// Here, not on the stack: arguments of aggregators escape.
	acc A
	out weir.Record[K, R]
}

// NewAggregate opens the cell in the task of env and returns the operator.
func NewAggregate[K, V, A, R any](
	env *Env, node int, cell *store.CellHandle[A], key codec.Codec[K], a window.Aggregator[V, A, R], next Receiver[K, R],
) (*Aggregate[K, V, A, R], error) {
	s, err := openStates(env, node, cell, key)
	if err != nil {
		return nil, err
	}
	_, takesNull := a.(window.TakesNull)
	return &Aggregate[K, V, A, R]{
		states: s, cell: s.uses[0].Store.(*state.Cell[A]), aggregator: a, takesNull: takesNull, null: typeNullRule[V](), next: next,
	}, nil
}

// Receive implements [Receiver].
func (m *Aggregate[K, V, A, R]) Receive(r *weir.Record[K, V]) error {
	ok, err := m.enter(r.Key, r.KeyNull, r.Millis)
	if err != nil || !ok || !m.takesNull && (r.ValueNull || m.null.any && m.null.is(&r.Value)) {
		return err
	}
	if soFar := m.cell.Find(); soFar != nil {
		m.acc = *soFar
	} else {
		m.acc = m.aggregator.Init()
	}
	m.aggregator.Add(&m.acc, r.Value, r.Millis)
	m.cell.SetTo(&m.acc)
	derive(&m.out, r)
	m.out.Value = m.aggregator.Result(&m.acc)
	return m.next.Receive(&m.out)
}
