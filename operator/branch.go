package operator

import (
	"context"

	"github.com/weirstreams/weir"
)

// Branch offers each record to cases, in order, until one has taken it or, with All, to all of them. Records that no case takes
// go to Otherwise.
type Branch[K, V any] struct {
	Cases     []Case[K, V]
	All       bool
	Otherwise Receiver[K, V]
}

// Case is one way out of a Branch.
type Case[K, V any] interface {
	// Offer hands the record on, and returns true, if it belongs to the case.
	Offer(r *weir.Record[K, V]) (bool, error)
}

// Receive implements [Receiver].
func (b *Branch[K, V]) Receive(r *weir.Record[K, V]) error {
	taken := false
	for _, c := range b.Cases {
		ok, err := c.Offer(r)
		if err != nil {
			return err
		}
		taken = taken || ok
		if ok && !b.All {
			return nil
		}
	}
	if taken || b.Otherwise == nil {
		return nil
	}
	return b.Otherwise.Receive(r)
}

// When is the case of the records that a function accepts.
type When[K, V any] struct {
	Env  *Env
	Node int
	F    func(context.Context, *weir.Record[K, V]) (bool, error)
	Next Receiver[K, V]
}

// Offer implements [Case].
func (c *When[K, V]) Offer(r *weir.Record[K, V]) (bool, error) {
	c.Env.Enter(c.Node)
	ok, err := c.F(c.Env.Context, r)
	if err != nil || !ok {
		return false, err
	}
	return true, c.Next.Receive(r)
}

// Match is the case of the records that a function turns into a value.
type Match[K, V, W any] struct {
	Env  *Env
	Node int
	F    func(context.Context, *weir.Record[K, V]) (W, bool, error)
	Next Receiver[K, W]

	out weir.Record[K, W]
}

// Offer implements [Case].
func (c *Match[K, V, W]) Offer(r *weir.Record[K, V]) (bool, error) {
	c.Env.Enter(c.Node)
	value, ok, err := c.F(c.Env.Context, r)
	if err != nil || !ok {
		return false, err
	}
	derive(&c.out, r)
	c.out.Value = value
	return true, c.Next.Receive(&c.out)
}
