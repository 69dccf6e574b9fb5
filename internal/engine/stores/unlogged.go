package stores

import (
	"errors"
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

// keptNow returns the contents of the stores without a changelog at the positions of the task.
func (s *Set) keptNow() database.Kept {
	kept := database.Kept{
		Inputs: s.Input.Standing(s.Input.Next, false).Inputs, Partitions: map[string]int32{}, Stores: map[string]database.Format{},
		Checkpoint: s.Input.Checkpoint,
	}
	for _, topic := range s.Input.Topics() {
		kept.Partitions[topic] = s.config.Partitions[topic]
	}
	for i := range s.unlogged {
		kept.Stores[s.unlogged[i].Name] = database.FormatOf(s.unlogged[i].Store)
	}
	return kept
}

// flushUnlogged puts the changes in stores without a changelog into the batch, and notes them.
func (s *Set) flushUnlogged(batch state.Batch, which func(*Store) bool) error {
	var key []byte
	for i := range s.unlogged {
		store := &s.unlogged[i]
		if !which(store) {
			continue
		}
		emit := func(k, v []byte) error {
			key = append(append(key[:0], store.prefix...), k...)
			s.written.Add(key, v)
			if v == nil {
				return batch.Delete(key)
			}
			return batch.Set(key, v)
		}
		if s.emptying {
			if err := store.empty(s.db.Backend, emit); err != nil {
				return err
			}
		}
		if err := store.store.Flush(emit); err != nil {
			return err
		}
	}
	return nil
}

// WriteAhead makes the changes of a checkpoint in stores without a changelog durable, before its offsets are committed.
func (s *Set) WriteAhead() error {
	if len(s.unlogged) == 0 {
		return nil
	}
	s.Input.Checkpoint++
	s.Input.NoteAll()
	batch := s.db.Backend.NewBatch()
	err := database.SetKept(batch, database.AheadRow, s.keptNow(), s.written)
	if err == nil {
		err = batch.Commit(true)
	}
	return errors.Join(err, batch.Close())
}

// loadKept reads the content of the stores without a changelog. Stores that had a changelog in another version of the program, or have
// one now, begin with no rows.
func (s *Set) loadKept() (err error) {
	s.kept, _, err = s.db.Kept(database.KeptRow)
	if err != nil {
		return err
	}
	var moved []*Store
	for i := range s.logged {
		if _, ok := s.kept.Stores[s.logged[i].Name]; ok {
			moved = append(moved, &s.logged[i])
		}
	}
	for i := range s.unlogged {
		if _, ok := s.kept.Stores[s.unlogged[i].Name]; !ok {
			moved = append(moved, &s.unlogged[i])
		}
	}
	if len(moved) == 0 {
		return nil
	}
	return s.db.Write(func(b state.Batch) error {
		for _, store := range moved {
			delete(s.kept.Stores, store.Name)
			if err := s.db.Forget(b, store.Name, store.prefix); err != nil {
				return err
			}
		}
		if len(s.kept.Inputs) == 0 {
			return nil
		}
		return database.SetKept(b, database.KeptRow, s.kept, nil)
	})
}

// settleKept finds out whether the stores without a changelog reflect the input up to the positions of the task, with the changes that
// were written ahead or without them. If they do not they begin empty.
func (s *Set) settleKept() error {
	if len(s.unlogged) == 0 {
		return nil
	}
	in := s.Input
	ahead, changes, err := s.db.Kept(database.AheadRow)
	if err != nil {
		return err
	}
	if len(ahead.Inputs) > 0 && !maps.Equal(ahead.Inputs, s.kept.Inputs) {
		for topic := range in.Uncommitted { // which would tell whether the last checkpoint was complete
			in.Unsure[topic] = in.Unsure[topic] || s.kept.Inputs[topic].Next > 0
		}
	}
	now := s.keptNow()
	committed := in.Checkpoint // 0 if the commit is of another program
	in.Checkpoint = max(committed, ahead.Checkpoint, s.kept.Checkpoint)
	// A checkpoint that no record has caused has the offsets of the one before. At least once it was acknowledged before it was written
	// ahead; exactly once the number tells whether it was committed.
	decided := !s.config.ExactlyOnce || !maps.Equal(ahead.Inputs, s.kept.Inputs) || committed > 0 && committed == ahead.Checkpoint
	switch {
	case s.fits(ahead, now) && decided && committed <= ahead.Checkpoint:
		s.kept = ahead
		return s.db.Write(func(b state.Batch) error {
			if err := changes.ApplyTo(b); err != nil {
				return err
			}
			return database.SetKept(b, database.KeptRow, s.kept, nil)
		})
	case s.fits(s.kept, now) && committed <= s.kept.Checkpoint:
		return nil
	}
	reason := "the database has none of their state"
	if len(s.kept.Inputs) > 0 {
		reason = "another process has processed input of the task since, or the offsets or the topology were changed"
	} else if len(in.Next) == 0 {
		reason = "" // the task is new
	}
	if reason != "" {
		s.config.Logger.Warn("stores without a changelog begin empty: "+reason,
			"stores", slices.Sorted(maps.Keys(now.Stores)), "reflected", s.kept.Inputs, "committed", in.Next)
	}
	s.kept = database.Kept{}
	return s.db.Write(func(b state.Batch) error {
		for i := range s.unlogged {
			if err := s.db.Forget(b, s.unlogged[i].Name, s.unlogged[i].prefix); err != nil {
				return err
			}
		}
		return errors.Join(b.Delete(database.MetaKey(database.KeptRow, "")), b.Delete(database.MetaKey(database.AheadRow, "")))
	})
}

// fits reports whether stores hold state that reflects the input up to the positions of the task. Input of a topic that was made anew fits: where
// that goes on is decided later.
func (s *Set) fits(kept, now database.Kept) bool {
	if len(kept.Inputs) == 0 || !maps.Equal(kept.Partitions, now.Partitions) {
		return false
	}
	for name, format := range now.Stores {
		if before, ok := kept.Stores[name]; ok && before != format {
			return false
		}
	}
	for _, topic := range s.Input.Topics() {
		position, known := s.Input.Next[topic]
		in, ok := kept.Inputs[topic]
		switch {
		case !known && ok && changelog.OtherTopic(in.ID, s.Input.IDs[topic]):
		case known != ok || known && position != in.Next:
			return false
		}
	}
	return true
}
