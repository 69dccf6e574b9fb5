package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

// Stores without a changelog have their rows in the database of the task alone. The offsets are committed elsewhere, so a crash comes
// before both, between them, or after both. Therefore a checkpoint writes the changes ahead, under one key and durably, together
// with the offsets that they reflect. Then it commits the offsets, and then it applies the changes. When the task is opened, the
// committed offsets say which of the two states is the right one: with the changes, or without them. If they fit to neither, somebody
// else has processed input of the task, and the stores begin empty.

// keptNow returns the contents of the stores without a changelog at the positions of a task.
func (w *Worker) keptNow(t *task) database.Kept {
	kept := database.Kept{
		Inputs: t.standing(t.positions, false).Inputs, Partitions: map[string]int32{}, Stores: map[string]database.Format{}, Checkpoint: t.checkpoint,
	}
	for topic := range t.inputs {
		kept.Partitions[topic] = w.topics.Partitions[topic]
	}
	for _, s := range t.unlogged {
		kept.Stores[s.Name] = database.FormatOf(s.Store)
	}
	return kept
}

// flushUnlogged puts the changes in stores without a changelog into the batch, and notes them.
func (t *task) flushUnlogged(batch state.Batch, which func(taskStore) bool) error {
	var key []byte
	for i := range t.unlogged {
		s := &t.unlogged[i]
		if !which(*s) {
			continue
		}
		emit := func(k, v []byte) error {
			key = append(append(key[:0], s.prefix...), k...)
			t.written.Add(key, v)
			if v == nil {
				return batch.Delete(key)
			}
			return batch.Set(key, v)
		}
		if t.emptying {
			if err := s.empty(t.database.Backend, emit); err != nil {
				return err
			}
		}
		if err := s.store.Flush(emit); err != nil {
			return err
		}
	}
	return nil
}

// writeAhead makes the changes of a checkpoint in stores without a changelog durable, before its offsets are committed.
func (w *Worker) writeAhead(tasks []*task) error {
	for _, t := range tasks {
		if len(t.unlogged) == 0 {
			continue
		}
		t.checkpoint++
		t.noteTopics()
		batch := t.database.Backend.NewBatch()
		err := database.SetKept(batch, database.AheadRow, w.keptNow(t), t.written)
		if err == nil {
			err = batch.Commit(true)
		}
		if err = errors.Join(err, batch.Close()); err != nil {
			return fmt.Errorf("checkpoint: task %s: write state: %w", t.name, err)
		}
	}
	return nil
}

// loadKept reads what the stores without a changelog hold. Stores that had a changelog in another version of the program, or have
// one now, begin with no rows.
func (t *task) loadKept() (err error) {
	t.kept, _, err = t.database.Kept(database.KeptRow)
	if err != nil {
		return err
	}
	var moved []taskStore
	for _, s := range t.stores {
		if _, ok := t.kept.Stores[s.Name]; ok {
			moved = append(moved, s)
		}
	}
	for _, s := range t.unlogged {
		if _, ok := t.kept.Stores[s.Name]; !ok {
			moved = append(moved, s)
		}
	}
	if len(moved) == 0 {
		return nil
	}
	return t.database.Write(func(b state.Batch) error {
		for _, s := range moved {
			delete(t.kept.Stores, s.Name)
			if err := t.database.Forget(b, s.Name, s.prefix); err != nil {
				return err
			}
		}
		if len(t.kept.Inputs) == 0 {
			return nil
		}
		return database.SetKept(b, database.KeptRow, t.kept, nil)
	})
}

// settleKept finds out whether the stores without a changelog reflect the input up to the positions of the task, with the changes that
// were written ahead or without them. If they do not they begin empty.
func (w *Worker) settleKept(t *task) error {
	if len(t.unlogged) == 0 {
		return nil
	}
	ahead, changes, err := t.database.Kept(database.AheadRow)
	if err != nil {
		return err
	}
	if len(ahead.Inputs) > 0 && !maps.Equal(ahead.Inputs, t.kept.Inputs) {
		for topic := range t.uncommitted { // which would tell whether the last checkpoint was complete
			t.unsure[topic] = t.unsure[topic] || t.kept.Inputs[topic].Next > 0
		}
	}
	now := w.keptNow(t)
	committed := t.checkpoint // 0 if the commit is of another program
	t.checkpoint = max(committed, ahead.Checkpoint, t.kept.Checkpoint)
	// A checkpoint that no record has caused has the offsets of the one before. At least once it was acknowledged before it was written
	// ahead; exactly once the number tells whether it was committed.
	decided := !w.config.ExactlyOnce || !maps.Equal(ahead.Inputs, t.kept.Inputs) || committed > 0 && committed == ahead.Checkpoint
	switch {
	case w.fits(t, ahead, now) && decided && committed <= ahead.Checkpoint:
		t.kept = ahead
		return t.database.Write(func(b state.Batch) error {
			if err := changes.ApplyTo(b); err != nil {
				return err
			}
			return database.SetKept(b, database.KeptRow, t.kept, nil)
		})
	case w.fits(t, t.kept, now) && committed <= t.kept.Checkpoint:
		return nil
	}
	reason := "the database has none of their state"
	if len(t.kept.Inputs) > 0 {
		reason = "another process has processed input of the task since, or the offsets or the topology were changed"
	} else if len(t.positions) == 0 {
		reason = "" // the task is new
	}
	if reason != "" {
		t.env.Logger.Warn("stores without a changelog begin empty: "+reason,
			"stores", slices.Sorted(maps.Keys(now.Stores)), "reflected", t.kept.Inputs, "committed", t.positions)
	}
	t.kept = database.Kept{}
	return t.database.Write(func(b state.Batch) error {
		for _, s := range t.unlogged {
			if err := t.database.Forget(b, s.Name, s.prefix); err != nil {
				return err
			}
		}
		return errors.Join(b.Delete(database.MetaKey(database.KeptRow, "")), b.Delete(database.MetaKey(database.AheadRow, "")))
	})
}

// fits reports whether stores hold what reflects the input up to the positions of a task. Input of a topic that was made anew fits: where
// that goes on is decided later.
func (w *Worker) fits(t *task, kept, now database.Kept) bool {
	if len(kept.Inputs) == 0 || !maps.Equal(kept.Partitions, now.Partitions) {
		return false
	}
	for name, format := range now.Stores {
		if before, ok := kept.Stores[name]; ok && before != format {
			return false
		}
	}
	for topic := range t.inputs {
		position, known := t.positions[topic]
		in, ok := kept.Inputs[topic]
		switch {
		case !known && ok && changelog.OtherTopic(in.ID, t.topicIDs[topic]):
		case known != ok || known && position != in.Next:
			return false
		}
	}
	return true
}
