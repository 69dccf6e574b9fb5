package operator

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir"
)

// Writer writes the records of one task to a sink. All methods are called by the task's goroutine.
type Writer[K, V any] interface {
	// Add takes a record, to write it at once or later. The record, its headers included, is valid until Add returns.
	// An error is one of the record: it goes to the error policy, as that of any function of the topology.
	Add(ctx context.Context, r *weir.Record[K, V]) error
	Drain
}

// Drain is the part of a [Writer] that has nothing to do with the type of the records.
type Drain interface {
	// Flush returns when everything that was added is written for good. It is called before each checkpoint, and the
	// offsets of the records are committed only after it has returned nil. After an error that says to try again later
	// (weir.RetryLaterError) it is called again, for the records that are not written yet; any other error ends the run. ctx ends
	// when partitions have to be given up.
	Flush(ctx context.Context) error
	// Full reports whether the writer would like a checkpoint, and its Flush, soon: it holds much in memory.
	Full() bool
	// Discard forgets added records that are not written: they are going to be processed again.
	Discard()
	// Close is called when the task is closed. It forgets added records that were not flushed.
	Close() error
}

// TaskDrain is the drain of a node.
type TaskDrain struct {
	Drain
	Node int
}

// External hands records to a writer.
type External[K, V any] struct {
	env    *Env
	node   int
	writer Writer[K, V]
}

// NewExternal returns an operator that hands records to writer, which is flushed before each checkpoint.
func NewExternal[K, V any](env *Env, node int, writer Writer[K, V]) *External[K, V] {
	env.Drains = append(env.Drains, TaskDrain{writer, node})
	return &External[K, V]{env, node, writer}
}

// Receive implements [Receiver].
func (x *External[K, V]) Receive(r *weir.Record[K, V]) error {
	x.env.Enter(x.node)
	if err := x.writer.Add(x.env.Context, r); err != nil {
		return fmt.Errorf("add to the sink: %w", err)
	}
	x.env.Outputs++
	return nil
}
