package operator

import (
	"context"

	"github.com/weirstreams/weir"
)

// Update lets a function change the target of each record's value. Null values are handed on without a call.
type Update[K, V any] struct {
	Env  *Env
	Node int
	F    func(context.Context, *weir.Record[K, V]) error
	// Clone copies a value that others see too. It is nil if nobody does.
	Clone func(V) V
	Next  Receiver[K, V]

	null *nullRule[V] // made when it is first needed
	out  weir.Record[K, V]
}

// Receive implements [Receiver].
func (u *Update[K, V]) Receive(r *weir.Record[K, V]) error {
	if u.null == nil {
		null := typeNullRule[V]()
		u.null = &null
	}
	if r.ValueNull || u.null.is(&r.Value) {
		return u.Next.Receive(r)
	}
	u.Env.Enter(u.Node)
	if u.Clone != nil {
		u.out = *r
		u.out.Value = u.Clone(r.Value)
		r = &u.out
	}
	if err := u.F(u.Env.Context, r); err != nil {
		return err
	}
	return u.Next.Receive(r)
}
