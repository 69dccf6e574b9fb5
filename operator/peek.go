package operator

import (
	"context"

	"github.com/weirstreams/weir"
)

// Peek calls a function for each record and hands the record on.
type Peek[K, V any] struct {
	Env  *Env
	Node int
	F    func(context.Context, *weir.Record[K, V]) error
	Next Receiver[K, V]
}

// Receive implements [Receiver].
func (p *Peek[K, V]) Receive(r *weir.Record[K, V]) error {
	p.Env.Enter(p.Node)
	if err := p.F(p.Env.Context, r); err != nil {
		return err
	}
	return p.Next.Receive(r)
}
