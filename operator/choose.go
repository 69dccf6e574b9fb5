package operator

import (
	"context"
	"fmt"
	"slices"

	"github.com/weirstreams/weir"
)

// Choose hands each record to one of several receivers, by the name that a function returns.
type Choose[K, V any] struct {
	Env  *Env
	Node int
	F    func(context.Context, *weir.Record[K, V]) (string, error)
	Next map[string]Receiver[K, V]
}

// Receive implements [Receiver].
func (c *Choose[K, V]) Receive(r *weir.Record[K, V]) error {
	c.Env.Enter(c.Node)
	name, err := c.F(c.Env.Context, r)
	if err != nil {
		return err
	}
	next, ok := c.Next[name]
	if !ok {
		declared := make([]string, 0, len(c.Next))
		for name := range c.Next {
			declared = append(declared, name)
		}
		return undeclared(name, declared)
	}
	return next.Receive(r)
}

// undeclared is the error of a chosen topic that was not declared. It is not generic, so that sorting is compiled once.
func undeclared(name string, declared []string) error {
	slices.Sort(declared)
	return fmt.Errorf("topic %q is not among those that were declared: %q", name, declared)
}
