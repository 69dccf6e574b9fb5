package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/engine/membership"
)

// AddTask opens a task that owns a partition of the given topics, and begins to restore its state. Its functions are
// given ctx.
func (w *Worker) AddTask(ctx context.Context, id TaskID, topics []string) error {
	if w.tasks.byID[id] != nil {
		return nil
	}
	w.membership.Settle(taskName(w.plan.SubTopologies[id.Part], id.Partition))
	for _, topic := range topics {
		w.restorer.beginnings.committed(broker.TopicPartition{Topic: topic, Partition: id.Partition}) // another member may have gone on with it
	}
	return w.openWhole(ctx, id, topics, changelog.NewEpoch(0, w.group.Member().Generation, w.config.Clock.Now()))
}

// openWhole opens a task that was assigned in an epoch (its term does not matter), and begins its restore. A database that is
// found to be damaged meanwhile is deleted, once.
func (w *Worker) openWhole(ctx context.Context, id TaskID, topics []string, assigned changelog.Epoch) error {
	err := w.openRestoring(ctx, id, topics, assigned)
	switch t := w.tasks.byID[id]; {
	case t == nil && errors.Is(err, weir.ErrCorruptState): // openTask has deleted the database
	case t == nil || t.stores.Damage() == nil:
		return err
	default:
		if err := w.closeTask(t, false); err != nil {
			return err
		}
	}
	return w.openRestoring(ctx, id, topics, assigned)
}

// openRestoring opens a task that was assigned in an epoch (its term does not matter), and begins its restore.
func (w *Worker) openRestoring(ctx context.Context, id TaskID, topics []string, assigned changelog.Epoch) error {
	t, err := w.builder.open(ctx, id, topics)
	if err != nil {
		return err
	}
	t.assigned, t.rebuilt = assigned, w.builder.rebuilt[id]
	w.tasks.add(t)
	if t.stores.Any() {
		t.served.Restoring(t.name)
	}
	defer w.status.publish(w.tasks)
	err = w.restorer.begin(ctx, t)
	if errors.As(err, new(*overtakenError)) {
		return w.reopen(t)
	}
	return err
}

// RemoveTasks checkpoints the worker and closes tasks. A checkpoint that cannot be made in time, or is refused, is given
// up: the tasks go without it, and the others go back to the checkpoint before.
func (w *Worker) RemoveTasks(ctx context.Context, ids []TaskID) error {
	bounded, cancel := w.hurry.Bound(ctx)
	defer cancel()
	err := w.Checkpoint(bounded)
	if err == nil {
		err = w.finishCommits(bounded, w.tasks.of(ids))
	}
	if err == nil {
		w.claims.close(bounded, w.tasks.of(ids))
	}
	if closed := w.closeTasks(ids); closed != nil {
		return closed
	}
	switch {
	case err == nil, errors.Is(err, membership.ErrTasksLost):
		return nil
	case gate.IsPressure(err):
		w.config.Logger.Warn("partitions given up without a checkpoint, because a sink takes no more or a lookup is unavailable", "error", err)
		w.intake.gate.Forget()
		return w.goBack(ctx, err) // which may happen any number of times
	case bounded.Err() != nil && ctx.Err() == nil:
		w.config.Logger.Warn("partitions given up without a checkpoint, which took too long", "timeout", w.config.RevokeTimeout)
		return w.giveUp(ctx, err)
	default:
		return w.recoverFrom(ctx, err)
	}
}

// DropTasks closes tasks without a checkpoint: they belong to another member. Exactly once, their output is part
// of the worker's transaction, so the other tasks go back to the checkpoint before.
func (w *Worker) DropTasks(ctx context.Context, ids []TaskID) error {
	uncommitted := slices.ContainsFunc(ids, func(id TaskID) bool {
		t := w.tasks.byID[id]
		return t != nil && t.changed
	})
	if err := w.closeTasks(ids); err != nil {
		return err
	}
	if uncommitted && w.config.ExactlyOnce {
		return w.rewind(ctx, fmt.Errorf("partitions were lost: %w", broker.ErrAborted))
	}
	return nil
}

func (w *Worker) closeTasks(ids []TaskID) error {
	stopFeeds(w.tasks.of(ids))
	var failed []error
	for _, id := range ids {
		w.membership.Settle(taskName(w.plan.SubTopologies[id.Part], id.Partition))
		delete(w.refusals.trace.leftOut, id)
		if t := w.tasks.byID[id]; t != nil {
			failed = append(failed, w.closeTask(t, true))
		}
	}
	w.status.publish(w.tasks)
	return errors.Join(failed...)
}

func (w *Worker) closeTask(t *task, sync bool) error {
	if w.processing.current.task == t {
		w.processing.drop()
	}
	w.checkpoints.overlap.forget()
	w.intake.stop(t)
	w.processing.observer.drop(t)
	w.tasks.remove(t)
	w.status.closed(t)
	if t.aligned != nil {
		t.aligned.Release()
	}
	damage := t.stores.Damage()
	err := t.close(sync && damage == nil)
	if damage == nil {
		return err
	}
	if err != nil {
		w.config.Logger.Warn("closing a damaged database failed", "task", t.name, "error", err)
	}
	return w.builder.dropDamaged(t.id, t.name, damage)
}

// loseTasks closes all tasks because the group has given them to others. It will say so in an event of its own.
func (w *Worker) loseTasks(cause error) error {
	var failed []error
	for _, t := range w.tasks.all() {
		w.membership.Lose(t.name)
		failed = append(failed, w.closeTask(t, true))
	}
	w.delivery.Drop()
	w.status.publish(w.tasks)
	if err := errors.Join(failed...); err != nil {
		return err
	}
	return fmt.Errorf("checkpoint: %w: %w", membership.ErrTasksLost, cause)
}

// endRest lets tasks go on that rest, when the group knows the process by another name or generation, or when it is time
// to try again.
func (w *Worker) endRest(ctx context.Context) error {
	if !w.membership.Rested(w.group.Member()) {
		return nil
	}
	for _, t := range w.tasks.all() {
		if t.state == running {
			if err := w.fetchInput(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// commitStarts makes a checkpoint of the start positions of tasks with inputs that had no committed offsets. Only then are their
// inputs fetched: a task that the group has given to another member finds that out here, before it has written records that its
// successor meets. From then on the group has offsets for each topic that it has read, until the cluster forgets them.
func (w *Worker) commitStarts(ctx context.Context) error {
	if !w.restorer.starting || w.membership.Rests() || w.intake.gate.Held() {
		return nil
	}
	var starts []*task
	for _, t := range w.tasks.all() {
		if t.state == starting {
			t.changed = true
			t.sinks.AnnounceEpoch()
			starts = append(starts, t)
		}
	}
	if err := w.Checkpoint(ctx); err != nil {
		return err
	}
	if err := w.checkpoints.recoverSinks(ctx, starts); err != nil {
		return err
	}
	w.restorer.starting = false
	moved := false
	for _, t := range starts {
		t.state = running
		w.restorer.beginnings.committed(t.input.Partitions()...)
		if err := w.fetchInput(ctx, t); err != nil {
			return err
		}
		if t.stores.Moved() {
			t.changed, moved = true, true
		}
	}
	if !moved {
		return w.checkpoints.commitPrepared(ctx)
	}
	return w.Checkpoint(ctx)
}

// lookForStrangers opens tasks anew with changelogs that another process has written to.
func (w *Worker) lookForStrangers(ctx context.Context) error {
	if !w.config.ExactlyOnce { // else transactions fence
		if err := w.claims.foreign.look(ctx); err != nil {
			return err
		}
	}
	if !w.claims.foreign.found || w.intake.gate.Held() {
		return nil
	}
	for _, t := range w.tasks.all() {
		if t.state == running && t.strangers {
			w.config.Logger.Warn("another process has written to the changelogs of a task; that is taken back", "task", t.name)
			if t.changed {
				if err := w.Checkpoint(ctx); err != nil {
					return err
				}
			}
			if err := w.reopen(t); err != nil {
				return err
			}
		}
	}
	w.claims.foreign.found = false
	return nil
}

// fetchInput begins to fetch the input of a task at its positions, unless tasks rest or the task is paused. Everything that it has done is in a
// checkpoint.
func (w *Worker) fetchInput(ctx context.Context, t *task) error {
	w.intake.rewind(t)
	if t.paused = w.config.Pauses.Paused(t.id.Part); t.paused || w.membership.Rests() {
		w.intake.rest(t)
		return nil
	}
	if t.stores.Emptying() {
		if _, err := w.TryCheckpoint(ctx); err != nil {
			return err
		}
	}
	w.intake.start(t)
	return nil
}
