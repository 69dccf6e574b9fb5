package operator

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// Drain is the part of a [sink.Writer] that has nothing to do with the type of the records.
type Drain interface {
	Flush(ctx context.Context, c sink.Checkpoint) error
	Full() bool
	Discard()
	Close() error
}

// TaskDrain is the drain of a node.
type TaskDrain struct {
	Drain
	Node int
}

// Sink hands records to a writer.
type Sink[K, V any] struct {
	env    *Env
	node   int
	writer sink.Writer[K, V]
}

// NewSink returns an operator that hands records to writer, which is flushed before each checkpoint.
func NewSink[K, V any](env *Env, node int, writer sink.Writer[K, V]) *Sink[K, V] {
	env.Drains = append(env.Drains, TaskDrain{writer, node})
	return &Sink[K, V]{env, node, writer}
}

// Receive implements [Receiver].
func (x *Sink[K, V]) Receive(r *weir.Record[K, V]) error {
	x.env.Enter(x.node)
	if err := x.writer.Add(x.env.Context, r); err != nil {
		return fmt.Errorf("add to the sink: %w", err)
	}
	x.env.Outputs++
	return nil
}
