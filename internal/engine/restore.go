package engine

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/stores"
)

// beginRestore begins to read the changelogs of a task, or starts it if there is nothing to read.
func (w *Worker) beginRestore(ctx context.Context, t *task) error {
	if err := t.input.Load(ctx, w.cluster, w.plan.Group); err != nil {
		return err
	}
	if t.stores.Any() {
		if err := t.stores.Load(); err != nil {
			return fmt.Errorf("task %s: %w", t.name, err)
		}
	}
	if err := t.input.LookUpIDs(ctx, w.cluster); err != nil {
		return err
	}
	if err := t.stores.AdoptIDs(); err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if !t.stores.Any() {
		return w.start(ctx, t)
	}
	fetches, err := t.stores.BeginRestore(ctx, w.cluster)
	w.fetchChangelogs(t, fetches)
	if err != nil {
		return err
	}
	if t.stores.Restores() == 0 {
		return w.restored(ctx, t)
	}
	return nil
}

func (w *Worker) fetchChangelogs(t *task, fetches []stores.Fetch) {
	for _, f := range fetches {
		w.route[f.TopicPartition] = t
		w.fetcher.Start(f.TopicPartition, f.Position)
	}
}

// applyChangelog writes a batch of a changelog to the database.
func (w *Worker) applyChangelog(ctx context.Context, t *task, b *broker.Batch) error {
	done, err := t.stores.Apply(b, w.loadBytes(), w.config.LoadRecords)
	if err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if !done {
		return nil
	}
	w.fetcher.Stop(b.TopicPartition)
	delete(w.route, b.TopicPartition)
	if t.stores.Restores() > 0 {
		return nil
	}
	return w.restored(ctx, t)
}

// loadBytes returns how much to collect for one store.
func (w *Worker) loadBytes() int {
	restores := 1
	for _, t := range w.tasks.byID {
		restores += t.stores.Restores()
	}
	return max(w.config.MinLoadBytes, w.config.MaxLoadBytes/restores)
}

// restored is called when all changelogs of the task have been read to their end.
func (w *Worker) restored(ctx context.Context, t *task) error {
	if !w.config.ExactlyOnce && t.stores.Logged() && !t.stores.Owned() {
		w.claiming, t.unclaimed = true, true // by the next step, with others
		return nil
	}
	t.input.Place(t.stores.Standings(), w.config.ExactlyOnce)
	for _, topic := range t.input.Topics() {
		t.input.AdoptID(topic, t.input.KnownID(topic))
	}
	if err := w.judgeCut(t); err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if err := t.stores.Settle(); err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if err := t.chooseSinkEpoch(); err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if err := w.start(ctx, t); err != nil {
		return err
	}
	// Not before: a checkpoint now commits offsets of the task, which only its owner can. Without them a process that has
	// lost the task, and does not know the offsets committed since, would take back the work of its successor.
	tookBack, err := t.stores.EndRestore()
	t.changed = t.changed || tookBack
	if err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	return nil
}

// judgeCut asks Config.Topics.OnLostInput about restored state that lacks records of its changelog. It returns an error if that says to fail.
func (w *Worker) judgeCut(t *task) error {
	err := t.stores.Cut()
	if err == nil {
		return nil
	}
	switch w.config.LostInput {
	case LostContinue:
		t.env.Logger.Error("going on with the state that is left", "error", err)
	case LostReset:
		t.env.Logger.Error("going on with empty state, at the committed offsets", "error", err)
		t.stores.Empty()
	default:
		return fmt.Errorf("%w. Start a member with the local database that has them, or write the changelog anew from a copy; else "+
			"Config.Topics.OnLostInput says how to go on: LostInputContinues keeps the rows that are left, LostInputResets empties the state of the "+
			"task", err)
	}
	t.lacking = true
	return nil
}

// unstarted reports whether a task is restored, and its start was given up in the middle: nothing is read that would begin it again.
func (t *task) unstarted() bool {
	return t.state == restoring && t.stores.Restores() == 0 && !t.unclaimed
}

// startRestored starts the tasks with a start that was given up.
func (w *Worker) startRestored(ctx context.Context) error {
	if !w.unstarted {
		return nil
	}
	w.unstarted = false
	for _, t := range w.tasks.all() {
		if !t.unstarted() {
			continue
		}
		if err := w.restored(ctx, t); err != nil {
			w.unstarted = true // if the worker goes on
			return err
		}
	}
	return nil
}
