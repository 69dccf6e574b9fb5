package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/offsets"
)

// claimTasks makes this process the owner of those tasks that are restored up to the former ends of the changelogs. Records since
// then lie before the claim, and are restored too.
func (w *Worker) claimTasks(ctx context.Context) (err error) {
	if !w.claiming {
		return nil
	}
	w.claiming = false
	var claiming []*task
	for _, t := range w.tasks.all() {
		if t.unclaimed {
			claiming = append(claiming, t)
		}
	}
	defer func() {
		if err == nil {
			return
		}
		w.claiming = true // if the worker goes on
		for _, t := range claiming {
			if t.state == restoring && t.stores.Restores() == 0 {
				t.unclaimed = true
				t.stores.DropClaim()
			}
		}
	}()
	for _, t := range claiming {
		if err := w.sendClaims(ctx, t); err != nil {
			return fmt.Errorf("task %s: claim: %w", t.name, err)
		}
	}
	if err := w.delivery.Flush(ctx); err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	for _, t := range claiming {
		if err := w.restoreToClaims(ctx, t); err != nil {
			return fmt.Errorf("task %s: claim: %w", t.name, err)
		}
	}
	return nil
}

// sendClaims chooses the epoch of a task, and appends a claim to each changelog.
func (w *Worker) sendClaims(ctx context.Context, t *task) error {
	var last changelog.Epoch
	for _, seen := range t.stores.Seen() {
		if last.Before(seen) {
			last = seen
		}
	}
	epoch := t.assigned.WithTerm(last.Term())
	if !last.Before(epoch) {
		// Either somebody owns the task by now, or this is an owner that begins anew, or the group has.
		if err := w.confirm(ctx, t); err != nil {
			return err
		}
		epoch = t.assigned.WithTerm(last.Term() + 1)
	}
	t.unclaimed = false
	return t.stores.Claim(epoch)
}

// confirm asks the group whether this process owns a task, by repeating the committed offsets.
func (w *Worker) confirm(ctx context.Context, t *task) error {
	repeated := map[broker.TopicPartition]int64{}
	inputs := t.input.Partitions()
	earliest, ends, err := offsets.Bounds(ctx, w.cluster, inputs...)
	if err != nil {
		return err
	}
	t.input.Place(t.stores.Standings(), w.config.ExactlyOnce)
	for _, tp := range inputs {
		offset, ok := t.input.Next[tp.Topic]
		if t.input.Uncommitted[tp.Topic] {
			t.input.Note(tp.Topic)
		}
		if !ok {
			if offset, err = w.firstOffset(ctx, t, tp, earliest[tp], ends[tp]); err != nil {
				return err
			}
			t.input.Next[tp.Topic] = offset
		}
		repeated[tp] = offset
	}
	err = w.group.Commit(ctx, repeated, commitDetails(t))
	if errors.Is(err, weir.ErrFenced) {
		return w.loseTasks(err)
	}
	return err
}

// restoreToClaims goes on with the restore up to the claims of a task.
func (w *Worker) restoreToClaims(ctx context.Context, t *task) error {
	fetches, err := t.stores.RestoreToClaims(w.delivery.Producer(), w.config.LoadRecords)
	w.fetchChangelogs(t, fetches)
	if err != nil {
		return err
	}
	if t.stores.Restores() == 0 {
		return w.restored(ctx, t)
	}
	return nil
}

// strangersInterval is how often the changelogs of tasks that write nothing are compared with their known ends.
const strangersInterval = time.Minute

// lookForStrangers finds out whether another process has written to the changelogs of tasks. Its records do not count,
// but compaction would let them replace valid ones, in the long run. So the task is opened anew, and takes it back.
func (w *Worker) lookForStrangers(ctx context.Context) error {
	if now := w.config.Clock.Now(); !w.config.ExactlyOnce && now.Sub(w.looked) >= strangersInterval {
		w.looked = now
		if err := w.compareEnds(ctx); err != nil {
			return err
		}
	}
	if !w.strangers || w.heldBack() {
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
	w.strangers = false
	return nil
}

// compareEnds compares the ends of changelogs with the positions of tasks that write nothing now.
func (w *Worker) compareEnds(ctx context.Context) error {
	var idle []*task
	var changelogs []broker.TopicPartition
	for _, t := range w.tasks.all() {
		if t.state != running || t.changed {
			continue
		}
		idle = append(idle, t)
		changelogs = append(changelogs, t.stores.Changelogs()...)
	}
	if len(changelogs) == 0 {
		return nil
	}
	ends, err := w.cluster.Offsets(ctx, broker.Latest, changelogs...)
	if errors.Is(err, weir.ErrUnavailable) {
		return nil // there is time
	}
	if err != nil {
		return fmt.Errorf("changelogs: %w", err)
	}
	for _, t := range idle {
		if t.stores.Exceeded(ends) {
			t.strangers, w.strangers = true, true
		}
	}
	return nil
}

// closeStandings writes, at least once, that the offsets of tasks are committed which are about to be closed in order. Without it
// a restore that finds no committed offsets cannot tell. A failure is worth a warning only.
func (w *Worker) closeStandings(ctx context.Context, tasks []*task) {
	if w.config.ExactlyOnce {
		return
	}
	tasks = slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool {
		return t.state != running || !t.stores.Logged() || t.strangers
	})
	if len(tasks) == 0 {
		return
	}
	if err := w.writeStandings(ctx, tasks); err != nil {
		w.config.Logger.Warn("could not note in the changelogs that tasks were closed in order", "error", err)
	}
}

func (w *Worker) writeStandings(ctx context.Context, tasks []*task) error {
	for _, t := range tasks {
		if err := t.stores.AppendLast(w.config.Clock.Now().UnixMilli()); err != nil {
			return err
		}
	}
	if err := w.delivery.Flush(ctx); err != nil {
		return err
	}
	for _, t := range tasks {
		if err := t.stores.PassLast(w.delivery.Producer()); err != nil {
			return err
		}
	}
	return nil
}
