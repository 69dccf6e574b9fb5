package operator

import (
	"iter"

	"github.com/weirstreams/weir"
)

// FlatMapSeq emits a record for each value of an iterator. Key, time and headers are kept. Each value goes all the way before the
// iterator goes on.
type FlatMapSeq[K, V, W any] struct {
	env    *Env
	node   int
	f      func(V) iter.Seq[W]
	next   Receiver[K, W]
	yield  func(W) bool
	in     *weir.Record[K, V]
	failed error
	out    weir.Record[K, W]
}

// NewFlatMapSeq returns the operator. f may return nil.
func NewFlatMapSeq[K, V, W any](env *Env, node int, f func(V) iter.Seq[W], next Receiver[K, W]) *FlatMapSeq[K, V, W] {
	m := &FlatMapSeq[K, V, W]{env: env, node: node, f: f, next: next}
	m.yield = m.emit // made once: a closure for each record would be an allocation
	return m
}

// Receive implements [Receiver].
func (m *FlatMapSeq[K, V, W]) Receive(r *weir.Record[K, V]) error {
	m.env.Enter(m.node)
	m.in, m.failed = r, nil
	if values := m.f(r.Value); values != nil {
		values(m.yield)
	}
	return m.failed
}

func (m *FlatMapSeq[K, V, W]) emit(v W) bool {
	if m.failed != nil {
		return false
	}
	derive(&m.out, m.in)
	m.out.Value = v
	m.failed = m.next.Receive(&m.out)
	m.env.Enter(m.node) // the function goes on
	return m.failed == nil
}
