package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/stores"
	"github.com/weirstreams/weir/internal/state"
)

// Checkpoint makes all processed records count. Operators emit held-back results first, then sinks are flushed.
// Then, at least once:
//
//  1. Changes in the stores are encoded and appended to the changelogs, with the offsets that they reflect.
//  2. All output and all changelog records are acknowledged.
//  3. The offsets are committed.
//  4. One batch per task writes the state, the changelog's position and the offsets to the database.
//
// A crash before 3 leaves changelog records behind with uncommitted offsets; a restore skips them. A crash
// between 3 and 4 leaves the database behind; a restore catches up from the changelog.
//
// Exactly once, output, changelog records and offsets belong to one transaction, and 2 and 3 are its commit. A crash
// before it leaves nothing that anybody can see.
//
// An error that gate.IsPressure says that a sink takes no more, or that a lookup cannot be asked: nothing is lost, and the
// checkpoint can be made later.
//
// membership.ErrTasksLost says that the group has given the partitions away: the tasks are closed, nothing since the last checkpoint
// counts, and the worker can go on with new tasks. After any other error the worker has to be rewound, or is lost.
func (w *Worker) Checkpoint(ctx context.Context) error {
	w.hurry.Enter(ctx)
	var changed []*task
	for _, t := range w.tasks.all() {
		if t.changed {
			changed = append(changed, t)
		}
	}
	defer w.schedule.Ended()
	if len(changed) == 0 {
		w.schedule.Made()
		return nil
	}
	if err := w.tasks.damage(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := w.awaitCommits(ctx, changed); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer w.landing(changed)()
	for _, t := range changed {
		if err := t.settle(); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		if err := t.beforeCheckpoint(); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	if err := w.flushSinks(ctx, changed); err != nil {
		return err
	}
	if err := w.failures.letters.Check(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	batches := make([]state.Batch, len(changed))
	defer func() {
		for _, b := range batches {
			if b != nil {
				_ = b.Close() // nothing depends on it: it was committed, or is not to be
			}
		}
	}()
	if err := w.flush(ctx, changed, batches); err != nil {
		return err
	}
	if err := w.delivery.Send(ctx); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	offsets := map[broker.TopicPartition]int64{}
	for _, t := range changed {
		t.input.Committing(offsets)
	}
	if err := w.commit(ctx, changed, offsets); err != nil {
		return err
	}
	w.membership.Accepted()
	for i, t := range changed {
		t.changed = false
		t.input.Checkpointed()
		alone, err := t.stores.Commit(batches[i], w.delivery.Producer())
		if !alone {
			t.strangers, w.strangers = true, true
		}
		if err != nil {
			return fmt.Errorf("checkpoint: task %s: write state: %w", t.name, err)
		}
		w.observer.count(t)
		t.feedsCommitted()
	}
	if w.schedule.Uncommitted() > 0 { // else it was of what no record has caused
		w.search.Accepted()
	}
	w.failures.letters.Committed()
	w.schedule.Made()
	w.trace.checkpointed()
	w.forgetSkips()
	w.endOutages()
	w.endAttempts()
	if err := w.failures.reread.Close(); err != nil {
		w.config.Logger.Warn("closing a fetcher failed", "error", err)
	}
	w.gate.Checkpointed()
	return w.commitPrepared(ctx)
}

// commit is steps 2 and 3 of a checkpoint. Changes in stores without a changelog are written ahead of the offsets.
func (w *Worker) commit(ctx context.Context, tasks []*task, offsets map[broker.TopicPartition]int64) error {
	if w.config.ExactlyOnce {
		if err := writeAhead(tasks); err != nil {
			return err
		}
		if err := w.delivery.Producer().Commit(ctx, w.group.Member(), offsets, commitDetails(tasks...)); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		return nil
	}
	if err := w.delivery.Producer().Flush(ctx); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := writeAhead(tasks); err != nil {
		return err
	}
	err := w.group.Commit(ctx, offsets, commitDetails(tasks...))
	if errors.Is(err, weir.ErrFenced) {
		return w.loseTasks(err)
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// flush appends the changes in the stores of tasks to the changelogs and to batches.
//
// At least once, changes made by timers carry no input offset, so a restore always applies them, also if the checkpoint is
// never completed. So their output is acknowledged before their changes of state are, and
// those before the timers and waiting records that have caused them are deleted (state.Cause). Then it happens again after a crash, and is not lost.
func (w *Worker) flush(ctx context.Context, tasks []*task, batches []state.Batch) error {
	causeless := func(t *task) bool { return !w.config.ExactlyOnce && t.input.Untouched() }
	acknowledged := func() error {
		if err := w.delivery.Flush(ctx); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		return nil
	}
	now := w.config.Clock.Now().UnixMilli()
	if slices.ContainsFunc(tasks, causeless) {
		if err := acknowledged(); err != nil {
			return err
		}
	}
	for i, t := range tasks {
		if batches[i] = t.stores.Begin(); batches[i] == nil {
			continue
		}
		which := stores.AllButCauses
		if !causeless(t) {
			which = stores.All
		}
		if err := t.flush(batches[i], now, which); err != nil {
			return err
		}
	}
	// Then the causes.
	for level := 0; ; level++ {
		begun := false
		for i, t := range tasks {
			if !causeless(t) || batches[i] == nil {
				continue
			}
			causes := t.stores.Causes()
			if level >= len(causes) {
				continue
			}
			if !begun {
				begun = true
				if err := acknowledged(); err != nil {
					return err
				}
			}
			if err := t.flush(batches[i], now, causes[level]); err != nil {
				return err
			}
		}
		if !begun {
			return nil
		}
	}
}

// flush appends the changes in some stores to the changelogs and to the batch. Changelog records carry the time of now, in
// milliseconds.
func (t *task) flush(batch state.Batch, now int64, which func(*stores.Store) bool) error {
	if err := t.stores.Flush(batch, stores.Flush{Millis: now, Starting: t.state == starting, Which: which}); err != nil {
		return fmt.Errorf("checkpoint: task %s: %w", t.name, err)
	}
	return nil
}

// writeAhead makes the changes of a checkpoint in stores without a changelog durable, before its offsets are committed.
func writeAhead(tasks []*task) error {
	for _, t := range tasks {
		if err := t.stores.WriteAhead(); err != nil {
			return fmt.Errorf("checkpoint: task %s: write state: %w", t.name, err)
		}
	}
	return nil
}

// commitDetails returns the details of the commits of tasks.
func commitDetails(tasks ...*task) broker.CommitDetails {
	details := broker.CommitDetails{}
	for _, t := range tasks {
		t.input.Details(details)
	}
	return details
}
