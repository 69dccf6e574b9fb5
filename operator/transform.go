package operator

import (
	"context"

	"github.com/weirstreams/weir"
)

// Transform makes another record of each: key, value, time and headers. The origin is kept.
type Transform[K, V, L, W any] struct {
	Env  *Env
	Node int
	F    func(context.Context, *weir.Record[K, V]) (weir.Record[L, W], error)
	Next Receiver[L, W]

	out weir.Record[L, W]
}

// Receive implements [Receiver].
func (m *Transform[K, V, L, W]) Receive(r *weir.Record[K, V]) error {
	m.Env.Enter(m.Node)
	var err error
	if m.out, err = m.F(m.Env.Context, r); err != nil {
		return err
	}
	m.out.Origin = r.Origin
	return m.Next.Receive(&m.out)
}
