package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

// standing returns where the state of the task stands at some positions.
func (t *task) standing(positions map[string]int64, final bool) changelog.Standing {
	s := changelog.Standing{Inputs: map[string]changelog.Input{}, Final: final}
	for topic, next := range positions {
		s.Inputs[topic] = changelog.Input{ID: t.topicIDs[topic], Next: next}
	}
	return s
}

// takeStanding takes a record with a standing into account, unless it is of a checkpoint that does not count. final says that
// its offsets are known to be committed, independent of the record.
func (r *restore) takeStanding(record *broker.Record, final bool) error {
	s, err := changelog.DecodeStanding(record.Value)
	if err != nil {
		return err
	}
	if !s.Final {
		for topic, in := range s.Inputs {
			if next, ok := r.filter.Committed[topic]; ok && in.Next > next && !changelog.OtherTopic(in.ID, r.filter.IDs[topic]) {
				return nil // of a checkpoint that does not count
			}
		}
	}
	for topic, in := range r.standing.Inputs {
		if now, ok := s.Inputs[topic]; ok && !changelog.OtherTopic(now.ID, in.ID) {
			now.Next = max(now.Next, in.Next)
			s.Inputs[topic] = now
		}
	}
	s.Final = s.Final || final
	s.Lacks, s.Accepted = r.standing.Lacks, max(s.Accepted, r.standing.Accepted)
	r.standing = s
	return nil
}

// prepareFilter decides which changelog records belong to work that counts. That follows from the committed offsets. Of topics
// without any:
//
//   - Exactly once, all records count that can be seen: they were committed with their offsets.
//   - Otherwise, if other inputs of the task have committed offsets, these decide: offsets are committed together.
//   - Otherwise, if the database knows the input that it reflects, changes by later input do not count.
//   - Otherwise all records count, and the last standing tells whether the offsets that they carry were committed.
//
// Changes by input of topics that do not exist any more count always.
func (w *Worker) prepareFilter(t *task) (changelog.Filter, error) {
	filter := changelog.Filter{Committed: maps.Clone(t.positions), IDs: t.topicIDs, Open: true}
	for topic := range t.inputs {
		reflected, ok, err := t.database.Offset(database.InputOffset, topic)
		if err != nil {
			return filter, err
		}
		of, err := t.reflectedTopic(topic)
		if err != nil {
			return filter, err
		}
		if ok && !changelog.OtherTopic(of, t.topicIDs[topic]) {
			t.reflected[topic] = reflected
		}
	}
	if len(t.uncommitted) == len(t.inputs) && !w.config.ExactlyOnce && len(t.reflected) > 0 {
		filter.Committed, filter.Open = maps.Clone(t.reflected), false
	}
	return filter, nil
}

// reflectedTopic returns the id of the input topic that the database reflects, empty if it is not known.
func (t *task) reflectedTopic(topic string) (id string, err error) {
	if id, err = t.database.TopicID(topic); err != nil {
		return "", err
	}
	for i := range t.stores {
		standing, err := t.database.Standing(t.stores[i].Name)
		if err != nil {
			return "", err
		}
		id = cmp.Or(id, standing.Inputs[topic].ID)
	}
	return cmp.Or(id, t.kept.Inputs[topic].ID), nil
}

// place finds the positions of inputs without committed offsets, from the standing of the restored state, and whether its
// last checkpoint may have ended in the middle.
func (w *Worker) place(t *task) {
	for topic := range t.uncommitted {
		next, known := t.reflected[topic]
		whole := known
		if !known || w.config.ExactlyOnce || len(t.uncommitted) < len(t.inputs) {
			final := true
			for i := range t.stores {
				s := t.stores[i].standingNow()
				if in, ok := s.Inputs[topic]; ok {
					next, known = max(next, in.Next), true
					final = final && s.Final
				}
			}
			whole = whole || final
		}
		if known {
			t.positions[topic] = next
			t.unsure[topic] = !whole
		}
	}
}

// standingNow returns the standing of a store, also while it is restored.
func (s *taskStore) standingNow() changelog.Standing {
	if s.restore != nil {
		return s.restore.standing
	}
	return s.standing
}

// knownTopic returns the id of the topic that the state reflects or, if the state does not tell, of the one that the committed offset
// is from; empty if neither tells.
func (t *task) knownTopic(topic string) string {
	for i := range t.stores {
		if id := t.stores[i].standingNow().Inputs[topic].ID; id != "" {
			return id
		}
	}
	return cmp.Or(t.kept.Inputs[topic].ID, t.notes[topic].TopicID)
}

// formerTopic returns the id of the topic that the state or the committed offset is from if the one that has its name now is another one.
func (t *task) formerTopic(topic string) (id string, ok bool) {
	for i := range t.stores {
		if id = t.stores[i].standingNow().Inputs[topic].ID; madeAnew(id, t.topicIDs[topic]) {
			return id, true
		}
	}
	if id = t.kept.Inputs[topic].ID; madeAnew(id, t.topicIDs[topic]) {
		return id, true
	}
	id = t.knownTopic(topic)
	return id, madeAnew(id, t.topicIDs[topic])
}

// misplaced returns why the position of an input cannot be relied on, although the topic may have that offset; nil if it can.
func (t *task) misplaced(tp broker.TopicPartition, position int64) error {
	if former, ok := t.formerTopic(tp.Topic); ok {
		return fmt.Errorf("%s was deleted and made anew: task %s has processed the topic with id %s up to offset %d, "+
			"and the topic has id %s now", tp, t.name, former, position, t.topicIDs[tp.Topic])
	}
	if t.unsure[tp.Topic] {
		return fmt.Errorf("%s has no committed offset, although the task has state: the cluster forgets the offsets of a group that "+
			"is away for longer than offsets.retention.minutes. The changelogs reflect offset %d, but the process that wrote them "+
			"was not stopped in order, so that output of its last checkpoint may be missing", tp, position)
	}
	return nil
}

// flushStanding writes the standing of a store if its changelog does not know the ids of the topics yet. It comes before the
// changes of the checkpoint.
func (t *task) flushStanding(s *taskStore, batch state.Batch, now int64) error {
	s.flushedStanding = s.standing
	if t.state == starting || s.standing.Is(t.topicIDs) && !s.standing.Cut() { // where a task starts the offsets come first: see moved
		return nil
	}
	s.flushedStanding = t.standing(t.positions, false)
	s.flushedStanding.AcceptCut(s.standing)
	if err := t.appendStanding(s, now); err != nil {
		return err
	}
	s.flushed = true
	value, err := s.flushedStanding.Encode()
	if err != nil {
		return err
	}
	return batch.Set(database.MetaKey(database.StandingRow, s.Name), value)
}

// appendStanding appends the flushed standing of a store to its changelog. It has no header with offsets: its own decide.
func (t *task) appendStanding(s *taskStore, now int64) error {
	value, err := s.flushedStanding.Encode()
	if err != nil {
		return err
	}
	record := broker.Record{Key: []byte(changelog.StandingKey), Value: value, Millis: now}
	if t.epoch != (changelog.Epoch{}) {
		record.Headers = []weir.Header{{Key: changelog.OwnerHeader, Value: t.epoch[:]}}
	}
	s.appended++
	return s.changelog.Append(t.id.Partition, &record)
}

// closeStandings writes, at least once, that the offsets of tasks are committed which are about to be closed in order. Without it
// a restore that finds no committed offsets cannot tell. A failure is worth a warning only.
func (w *Worker) closeStandings(ctx context.Context, tasks []*task) {
	if w.config.ExactlyOnce {
		return
	}
	tasks = slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool {
		return t.state != running || len(t.stores) == 0 || t.strangers
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
		for i := range t.stores {
			s := &t.stores[i]
			s.flushedStanding = t.standing(t.committed, true)
			s.flushedStanding.AcceptCut(s.standing)
			if err := t.appendStanding(s, w.config.Clock.Now().UnixMilli()); err != nil {
				return err
			}
		}
	}
	if err := w.send(ctx); err != nil {
		return err
	}
	if err := w.producer.Flush(ctx); err != nil {
		return err
	}
	for _, t := range tasks {
		if err := t.database.Write(func(b state.Batch) error { return w.passStandings(t, b) }); err != nil {
			return err
		}
	}
	return nil
}

// passStandings moves the positions of a task's stores past the standings that were written to their changelogs.
func (w *Worker) passStandings(t *task, batch state.Batch) error {
	for i := range t.stores {
		s := &t.stores[i]
		tp := broker.TopicPartition{Topic: s.Changelog, Partition: t.id.Partition}
		last, ok := w.producer.LastOffset(tp)
		if !ok {
			return fmt.Errorf("%s: records were acknowledged without an offset", tp)
		}
		if _, err := s.advancePosition(batch, last, false); err != nil {
			return err
		}
	}
	return nil
}
