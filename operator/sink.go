package operator

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/sink"
)

// Drain is the part of the writer of a sink, of either kind, that has nothing to do with the type of the records.
type Drain interface {
	Full() bool
	Discard()
	Close() error
}

// Flusher is the part of a [sink.Writer] that writes.
type Flusher interface {
	Flush(ctx context.Context, c sink.Checkpoint) error
}

// Phases is the part of a [sink.TwoPhaseWriter] that writes.
type Phases interface {
	Recover(ctx context.Context, epoch string, tokens [][]byte) error
	Prepare(ctx context.Context, c sink.Checkpoint) (token []byte, err error)
	Commit(ctx context.Context, token []byte) error
}

// TaskDrain is the drain of a node.
type TaskDrain struct {
	Drain
	Node int
	// Flusher is nil for a sink in two phases. Phases and Tokens are nil for other sinks.
	Flusher Flusher
	Phases  Phases
	Tokens  *state.Tokens
}

// maxTokenBytes bounds a token: it is a record of a changelog.
const maxTokenBytes = 256 << 10

// Flush makes what was added a part of a checkpoint: it writes it or, in two phases, prepares it and keeps the token.
func (d *TaskDrain) Flush(ctx context.Context, c sink.Checkpoint) error {
	if d.Phases == nil {
		return d.Flusher.Flush(ctx, c)
	}
	token, err := d.Phases.Prepare(ctx, c)
	if err != nil || token == nil {
		return err
	}
	if len(token) > maxTokenBytes {
		return fmt.Errorf("the token of a checkpoint has %d bytes, and %d is the limit: keep the work in the target, and its name in the token", len(token), maxTokenBytes)
	}
	d.Tokens.Add(c.ID, token)
	return nil
}

// adder is the part of a writer that takes records.
type adder[K, V any] interface {
	Add(ctx context.Context, r *weir.Record[K, V]) error
}

// Sink hands records to a writer.
type Sink[K, V any] struct {
	env    *Env
	node   int
	writer adder[K, V]
}

// NewSink returns an operator that hands records to writer, which is flushed before each checkpoint.
func NewSink[K, V any](env *Env, node int, writer sink.Writer[K, V]) *Sink[K, V] {
	env.Drains = append(env.Drains, TaskDrain{Drain: writer, Node: node, Flusher: writer})
	return &Sink[K, V]{env, node, writer}
}

// NewTwoPhaseSink returns an operator that hands records to writer, with a store of that name for the tokens.
func NewTwoPhaseSink[K, V any](env *Env, node int, name string, writer sink.TwoPhaseWriter[K, V]) (*Sink[K, V], error) {
	tokens, err := openStore(env, name, nil, state.OpenTokens)
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	env.Drains = append(env.Drains, TaskDrain{Drain: writer, Node: node, Phases: writer, Tokens: tokens})
	return &Sink[K, V]{env, node, writer}, nil
}

// Receive implements [Receiver].
func (x *Sink[K, V]) Receive(r *weir.Record[K, V]) error {
	x.env.Enter(x.node)
	if err := x.writer.Add(x.env.Context, r); err != nil {
		return fmt.Errorf("add to the sink: %w", err)
	}
	if x.env.Trace != nil {
		x.env.Trace.Added(x.node, r.Headers)
	}
	x.env.Outputs++
	return nil
}
