package operator

import (
	"context"

	"github.com/weirstreams/weir"
)

// FlatMap emits a record for each value that a function makes of one. Key, time and headers are kept.
type FlatMap[K, V, W any] struct {
	Env  *Env
	Node int
	F    func(context.Context, *weir.Record[K, V]) ([]W, error)
	Next Receiver[K, W]

	out weir.Record[K, W]
}

// Receive implements [Receiver].
func (m *FlatMap[K, V, W]) Receive(r *weir.Record[K, V]) error {
	m.Env.Enter(m.Node)
	values, err := m.F(m.Env.Context, r)
	if err != nil {
		return err
	}
	for _, v := range values {
		derive(&m.out, r)
		m.out.Value = v
		if err := m.Next.Receive(&m.out); err != nil {
			return err
		}
	}
	return nil
}
