package engine

import (
	"context"
	"errors"
	"fmt"
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
	for _, t := range w.sortedTasks() {
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
			if t.state == restoring && len(t.restores) == 0 {
				t.unclaimed, t.claimed = true, false
			}
		}
	}()
	for _, t := range claiming {
		if err := w.sendClaims(ctx, t); err != nil {
			return fmt.Errorf("task %s: claim: %w", t.name, err)
		}
	}
	if err := w.send(ctx); err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	if err := w.producer.Flush(ctx); err != nil {
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
	for i := range t.stores {
		if s := &t.stores[i]; last.Before(s.seen) {
			last = s.seen
		}
	}
	t.epoch = t.assigned.WithTerm(last.Term())
	if !last.Before(t.epoch) {
		// Either somebody owns the task by now, or this is an owner that begins anew, or the group has.
		if err := w.confirm(ctx, t); err != nil {
			return err
		}
		t.epoch = t.assigned.WithTerm(last.Term() + 1)
	}
	t.claimed, t.unclaimed = true, false
	claim := broker.Record{
		Key: []byte(changelog.ClaimKey), Value: t.epoch[:], Headers: []weir.Header{{Key: changelog.OwnerHeader, Value: t.epoch[:]}},
		Millis: w.config.Clock.Now().UnixMilli(),
	}
	for i := range t.stores {
		if err := t.stores[i].changelog.Append(t.id.Partition, &claim); err != nil {
			return err
		}
	}
	return nil
}

// confirm asks the group whether this process owns a task, by repeating the committed offsets.
func (w *Worker) confirm(ctx context.Context, t *task) error {
	repeated := map[broker.TopicPartition]int64{}
	inputs := t.inputPartitions()
	earliest, ends, err := offsets.Bounds(ctx, w.cluster, inputs...)
	if err != nil {
		return err
	}
	w.place(t)
	for _, tp := range inputs {
		offset, ok := t.positions[tp.Topic]
		if t.uncommitted[tp.Topic] {
			t.metadata[tp.Topic] = t.note(tp.Topic).Encode()
		}
		if !ok {
			if offset, err = w.firstOffset(ctx, t, tp, earliest[tp], ends[tp]); err != nil {
				return err
			}
			t.positions[tp.Topic] = offset
		}
		repeated[tp] = offset
	}
	err = w.group.Commit(ctx, repeated, commitMetadata(t))
	if errors.Is(err, weir.ErrFenced) {
		return w.loseTasks(err)
	}
	return err
}

// restoreToClaims goes on with the restore up to the claims of a task.
func (w *Worker) restoreToClaims(ctx context.Context, t *task) error {
	for i := range t.stores {
		s := &t.stores[i]
		tp := broker.TopicPartition{Topic: s.Changelog, Partition: t.id.Partition}
		offset, ok := w.producer.LastOffset(tp)
		if !ok {
			return fmt.Errorf("%s: records were acknowledged without an offset", tp)
		}
		r := s.restore
		if r.end = offset + 1; r.position < offset {
			t.restores[tp.Topic] = r
			w.route[tp] = t
			w.fetcher.Start(tp, r.position)
			continue
		}
		s.seen, r.position = t.epoch, r.end
		if err := t.write(r, w.config.LoadRecords); err != nil {
			return err
		}
	}
	if len(t.restores) == 0 {
		return w.restored(ctx, t)
	}
	return nil
}

// owned reports whether a task is claimed, and nobody has claimed it since. If somebody has, either the task is theirs by
// now, or they have lost it and been late; then it is claimed again, if the group says so.
func (t *task) owned() bool {
	for i := range t.stores {
		if t.epoch.Before(t.stores[i].seen) {
			t.claimed = false
		}
	}
	return t.claimed
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
	for _, t := range w.sortedTasks() {
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
	for _, t := range w.sortedTasks() {
		if t.state != running || t.changed {
			continue
		}
		idle = append(idle, t)
		for i := range t.stores {
			changelogs = append(changelogs, broker.TopicPartition{Topic: t.stores[i].Changelog, Partition: t.id.Partition})
		}
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
		for i := range t.stores {
			if s := &t.stores[i]; ends[broker.TopicPartition{Topic: s.Changelog, Partition: t.id.Partition}] > s.position {
				t.strangers, w.strangers = true, true
			}
		}
	}
	return nil
}
