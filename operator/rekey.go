package operator

import (
	"context"

	"github.com/weirstreams/weir"
)

// Rekey replaces the key of each record by the one that a function makes of the record.
type Rekey[K, V, L any] struct {
	Env  *Env
	Node int
	F    func(context.Context, *weir.Record[K, V]) (L, error)
	Next Receiver[L, V]

	out weir.Record[L, V]
}

// Receive implements [Receiver].
func (m *Rekey[K, V, L]) Receive(r *weir.Record[K, V]) error {
	m.Env.Enter(m.Node)
	key, err := m.F(m.Env.Context, r)
	if err != nil {
		return err
	}
	// Field by field: a composite literal is built elsewhere and copied.
	m.out.Key = key
	m.out.Value = r.Value
	m.out.Millis = r.Millis
	m.out.Headers = r.Headers
	m.out.Origin = r.Origin
	m.out.ValueNull = r.ValueNull
	return m.Next.Receive(&m.out)
}
