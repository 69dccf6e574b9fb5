package operator

import (
	"context"

	"github.com/weirstreams/weir"
)

// Map emits one record for each, with the value that a function makes of it. Key, time and headers are kept.
type Map[K, V, W any] struct {
	Env  *Env
	Node int
	F    func(V) W
	Next Receiver[K, W]

	out weir.Record[K, W]
}

// Receive implements [Receiver].
func (m *Map[K, V, W]) Receive(r *weir.Record[K, V]) error {
	m.Env.Enter(m.Node)
	derive(&m.out, r)
	m.out.Value = m.F(r.Value)
	return m.Next.Receive(&m.out)
}

// MapRecord is Map for functions of the whole record that can fail.
type MapRecord[K, V, W any] struct {
	Env  *Env
	Node int
	F    func(context.Context, *weir.Record[K, V]) (W, error)
	Next Receiver[K, W]

	out weir.Record[K, W]
}

// Receive implements [Receiver].
func (m *MapRecord[K, V, W]) Receive(r *weir.Record[K, V]) error {
	m.Env.Enter(m.Node)
	derive(&m.out, r)
	var err error
	if m.out.Value, err = m.F(m.Env.Context, r); err != nil {
		return err
	}
	return m.Next.Receive(&m.out)
}

// derive copies everything but the value of from. The value that is written next is not null.
func derive[K, V, W any](to *weir.Record[K, W], from *weir.Record[K, V]) {
	to.Key = from.Key
	to.Millis = from.Millis
	to.Headers = from.Headers
	to.Origin = from.Origin
	to.KeyNull = from.KeyNull
}
