package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bytedance/sonic"

	"github.com/weirstreams/weir/internal/state"
)

// Stores without a changelog have their rows in the database of the task alone. The offsets are committed elsewhere, so a crash comes
// before both, between them, or after both. Therefore a checkpoint writes the changes ahead, under one key and durably, together
// with the offsets that they reflect. Then it commits the offsets, and then it applies the changes. When the task is opened, the
// committed offsets say which of the two states is the right one: with the changes, or without them. If they fit to neither, somebody
// else has processed input of the task, and the stores begin empty.

// keptState says what the stores without a changelog of a task hold.
type keptState struct {
	// Inputs are the input topics of the task, by name.
	Inputs map[string]inputStanding `json:"inputs"`
	// Partitions are the numbers of partitions of the topics: with others, keys belong to other tasks.
	Partitions map[string]int32 `json:"partitions"`
	// Stores are the formats of the stores by name.
	Stores map[string]StoreFormat `json:"stores"`
}

// Rows of the database.
const (
	keptRow  = 'u'
	aheadRow = 'w'
)

// written are the changes of a checkpoint in stores without a changelog: for each the length of the row's key, the key, one more than
// the length of the value, and the value; or 0 for a deletion. Lengths are uvarints.
type written []byte

func (c *written) reset() { *c = (*c)[:0] }

func (c *written) add(key, value []byte) {
	*c = append(binary.AppendUvarint(*c, uint64(len(key))), key...)
	if value == nil {
		*c = binary.AppendUvarint(*c, 0)
		return
	}
	*c = append(binary.AppendUvarint(*c, uint64(len(value))+1), value...)
}

var errTornChanges = errors.New("changes that were written ahead of a commit end in the middle")

// applyTo puts the changes into a batch.
func (c written) applyTo(batch state.Batch) error {
	for len(c) > 0 {
		n, length := binary.Uvarint(c)
		if length <= 0 || n == 0 || n > uint64(len(c)-length) {
			return errTornChanges
		}
		key := c[length:][:n]
		c = c[length:][n:]
		n, length = binary.Uvarint(c)
		if length <= 0 || n > uint64(len(c)-length)+1 {
			return errTornChanges
		}
		c = c[length:]
		if n == 0 {
			if err := batch.Delete(key); err != nil {
				return err
			}
			continue
		}
		if err := batch.Set(key, c[:n-1]); err != nil {
			return err
		}
		c = c[n-1:]
	}
	return nil
}

// setKept writes a row with what stores hold, and changes behind it.
func setKept(batch state.Batch, kind byte, kept keptState, changes written) error {
	text, err := sonic.ConfigStd.Marshal(kept)
	if err != nil {
		return err
	}
	value := append(binary.AppendUvarint(nil, uint64(len(text))), text...)
	return batch.Set(metaKey(kind, ""), append(value, changes...))
}

// kept reads a row that setKept wrote; without inputs if there is none.
func (d *database) kept(kind byte) (kept keptState, changes written, err error) {
	value, err := d.backend.Get(nil, metaKey(kind, ""))
	if errors.Is(err, state.ErrNotFound) {
		return kept, nil, nil
	}
	if err != nil {
		return kept, nil, err
	}
	n, length := binary.Uvarint(value)
	if length <= 0 || n > uint64(len(value)-length) {
		return kept, nil, errTornChanges
	}
	err = sonic.ConfigStd.Unmarshal(value[length:][:n], &kept)
	return kept, value[length:][n:], err
}

// keptNow returns what the stores without a changelog hold at the positions of a task.
func (w *Worker) keptNow(t *task) keptState {
	kept := keptState{Inputs: t.standing(t.positions, false).Inputs, Partitions: map[string]int32{}, Stores: map[string]StoreFormat{}}
	for topic := range t.inputs {
		kept.Partitions[topic] = w.outbox.known.Partitions[topic]
	}
	for _, s := range t.unlogged {
		kept.Stores[s.Name] = formatOf(s.Store)
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
			t.written.add(key, v)
			if v == nil {
				return batch.Delete(key)
			}
			return batch.Set(key, v)
		}
		if t.emptying {
			if err := s.empty(t.database.backend, emit); err != nil {
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
		batch := t.database.backend.NewBatch()
		err := setKept(batch, aheadRow, w.keptNow(t), t.written)
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
	t.kept, _, err = t.database.kept(keptRow)
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
	return t.database.write(func(b state.Batch) error {
		for _, s := range moved {
			delete(t.kept.Stores, s.Name)
			if err := t.database.forget(b, &s); err != nil {
				return err
			}
		}
		if len(t.kept.Inputs) == 0 {
			return nil
		}
		return setKept(b, keptRow, t.kept, nil)
	})
}

// settleKept finds out whether the stores without a changelog reflect the input up to the positions of the task, with the changes that
// were written ahead or without them. If they do not they begin empty.
func (w *Worker) settleKept(t *task) error {
	if len(t.unlogged) == 0 {
		return nil
	}
	ahead, changes, err := t.database.kept(aheadRow)
	if err != nil {
		return err
	}
	if len(ahead.Inputs) > 0 && !maps.Equal(ahead.Inputs, t.kept.Inputs) {
		for topic := range t.uncommitted { // which would tell whether the last checkpoint was complete
			t.unsure[topic] = t.unsure[topic] || t.kept.Inputs[topic].Next > 0
		}
	}
	now := w.keptNow(t)
	switch {
	case w.fits(t, ahead, now) && (!w.config.ExactlyOnce || !maps.Equal(ahead.Inputs, t.kept.Inputs)):
		// Exactly once, a checkpoint that no record has caused has the offsets of the one before, and it is not known whether it
		// was committed; otherwise it was acknowledged.
		t.kept = ahead
		return t.database.write(func(b state.Batch) error {
			if err := changes.applyTo(b); err != nil {
				return err
			}
			return setKept(b, keptRow, t.kept, nil)
		})
	case w.fits(t, t.kept, now):
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
	t.kept = keptState{}
	return t.database.write(func(b state.Batch) error {
		for _, s := range t.unlogged {
			if err := t.database.forget(b, &s); err != nil {
				return err
			}
		}
		return errors.Join(b.Delete(metaKey(keptRow, "")), b.Delete(metaKey(aheadRow, "")))
	})
}

// fits reports whether stores hold what reflects the input up to the positions of a task. Input of a topic that was made anew fits: where
// that goes on is decided later.
func (w *Worker) fits(t *task, kept, now keptState) bool {
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
		case !known && ok && otherTopic(in.ID, t.topicIDs[topic]):
		case known != ok || known && position != in.Next:
			return false
		}
	}
	return true
}

// unloggedStores returns the names of a part's stores without a changelog.
func (w *Worker) unloggedStores(id TaskID) (names []string) {
	for _, s := range w.plan.SubTopologies[id.Part].Stores {
		if s.Changelog == "" {
			names = append(names, s.Name)
		}
	}
	return names
}
