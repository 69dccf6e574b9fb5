package operator

import (
	"context"

	"github.com/weirstreams/weir"
)

// FlatMapPush emits a record for each value that a function pushes. Key, time and headers are kept. Each value goes all
// the way before the function goes on.
type FlatMapPush[K, V, W any] struct {
	env    *Env
	node   int
	f      func(context.Context, *weir.Record[K, V], *Push[W]) error
	next   Receiver[K, W]
	push   Push[W]
	in     *weir.Record[K, V]
	failed error
	out    weir.Record[K, W]
}

// Push has the yield functions of iterators without and with errors. Both return false after an error.
type Push[W any] struct {
	Yield    func(W) bool
	TryYield func(W, error) bool
}

// NewFlatMapPush returns the operator. f calls one of the functions that it is given.
func NewFlatMapPush[K, V, W any](
	env *Env, node int, f func(context.Context, *weir.Record[K, V], *Push[W]) error, next Receiver[K, W],
) *FlatMapPush[K, V, W] {
	m := &FlatMapPush[K, V, W]{env: env, node: node, f: f, next: next}
	// Made once: a closure for each record would be an allocation.
	m.push = Push[W]{
		Yield: m.emit,
		TryYield: func(v W, err error) bool {
			if err != nil && m.failed == nil {
				m.failed = err
			}
			return m.failed == nil && m.emit(v)
		},
	}
	return m
}

// Receive implements [Receiver].
func (m *FlatMapPush[K, V, W]) Receive(r *weir.Record[K, V]) error {
	m.env.Enter(m.node)
	m.in, m.failed = r, nil
	err := m.f(m.env.Context, r, &m.push)
	if m.failed != nil {
		return m.failed
	}
	return err
}

func (m *FlatMapPush[K, V, W]) emit(v W) bool {
	if m.failed != nil {
		return false
	}
	derive(&m.out, m.in)
	m.out.Value = v
	m.failed = m.next.Receive(&m.out)
	m.env.Enter(m.node) // the function goes on
	return m.failed == nil
}
