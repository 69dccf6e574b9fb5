package engine

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/engine/sinks"
	"github.com/weirstreams/weir/sink"
)

// flushSinks flushes the sinks of tasks for a checkpoint.
func (c *checkpointer) flushSinks(ctx context.Context, tasks []*task) error {
	var flushes []sinks.Flush
	for _, t := range tasks {
		if t.state != running || !t.sinks.Any() {
			continue // the sinks of others have nothing
		}
		flushes = append(flushes, sinks.Flush{
			Task: t.sinks, Epoch: t.sinkEpoch(), Positions: t.coveredPositions(),
			Judge: func(err *weir.ProcessingError) error { return t.judge(err) },
		})
	}
	if err := c.sinks.Flush(ctx, flushes); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// coveredPositions returns the input that the next checkpoint covers.
func (t *task) coveredPositions() (positions []sink.Position) {
	for _, tp := range t.input.Partitions() {
		to, known := t.input.Next[tp.Topic]
		if !known {
			continue
		}
		from, committed := t.input.Committed[tp.Topic]
		if !committed || from > to { // the topic was made anew
			from = to
		}
		positions = append(positions, sink.Position{Topic: tp.Topic, Partition: tp.Partition, From: from, To: to})
	}
	return positions
}

// sinkEpoch returns the epoch of the task for sinks.
func (t *task) sinkEpoch() string {
	switch {
	case t.sinks.InPhases():
		return t.sinks.Epoch()
	case t.stores.Epoch() != changelog.Epoch{}:
		return t.stores.Epoch().String()
	default:
		return t.assigned.String()
	}
}

// chooseSinkEpoch chooses the epoch of a restored task for sinks in two phases.
func (t *task) chooseSinkEpoch() error {
	if epoch := t.stores.Epoch(); epoch != (changelog.Epoch{}) {
		return t.sinks.ChooseEpoch(epoch, nil)
	}
	return t.sinks.ChooseEpoch(t.assigned, t.stores.Seen()) // claims of the time when the application ran at least once
}

// recoverSinks lets the sinks of tasks remove work that does not count.
func (c *checkpointer) recoverSinks(ctx context.Context, tasks []*task) error {
	of := make([]*sinks.Task, len(tasks))
	for i, t := range tasks {
		of[i] = t.sinks
	}
	return c.sinks.Recover(ctx, of)
}

// commitPrepared commits the work that checkpoints have prepared, beside the processing of records.
func (c *checkpointer) commitPrepared(ctx context.Context) error {
	for _, t := range c.tasks.all() {
		if err := c.sinks.Commit(ctx, t.sinks); err != nil {
			return err
		}
	}
	return nil
}

// awaitCommits waits until the work of the checkpoints before is visible.
func (c *checkpointer) awaitCommits(ctx context.Context, tasks []*task) error {
	for _, t := range tasks {
		if err := c.sinks.Await(ctx, t.sinks); err != nil {
			return err
		}
	}
	return nil
}

// Visible reports whether the sinks of all tasks have committed everything that checkpoints have prepared.
func (w *Worker) Visible() bool { return w.tasks.visible() }

// finishCommits makes everything visible that tasks have prepared, before they are closed in order, and then a checkpoint that
// removes the tokens. Tokens that cannot be committed in time stay in the state: the next owner commits them.
func (w *Worker) finishCommits(ctx context.Context, tasks []*task) error {
	removed := false
	for _, t := range tasks {
		if !t.sinks.Recovered() {
			continue
		}
		switch err := w.checkpoints.sinks.Await(ctx, t.sinks); {
		case err == nil:
		case gate.IsPressure(err), ctx.Err() != nil:
			t.env.Logger.Warn("the last checkpoint of the task is not visible in a sink yet; its next owner sees to that", "error", err)
		default:
			return err
		}
		removed = removed || t.changed
	}
	if !removed || ctx.Err() != nil {
		return nil
	}
	return w.Checkpoint(ctx)
}

// finishLastCommits is finishCommits for all tasks of a worker that is closed. It takes no longer than RevokeTimeout. whole is
// false if a checkpoint was given up in the middle.
func (w *Worker) finishLastCommits(ctx context.Context) (whole bool, err error) {
	bounded, cancel := w.hurry.Bound(ctx)
	defer cancel()
	err = w.finishCommits(bounded, w.tasks.all())
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		w.config.Logger.Warn("the tokens of committed work stay in the state, as there was no time for another checkpoint", "error", err)
		return false, nil
	}
	return err == nil, err
}
