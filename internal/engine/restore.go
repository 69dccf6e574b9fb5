package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

// restore reads the changes that a store's database lacks from the store's changelog.
type restore struct {
	store  *taskStore
	filter changelog.Filter
	// standing is the input that the store reflects by the collected records. trusted says that committed offsets decided about all
	// of it.
	standing changelog.Standing
	trusted  bool
	// doubt says that the database is in doubt until the restore is complete, see doubt.go.
	doubt bool
	// entries are the changes that were read and are not written yet.
	entries state.Entries
	// position is the next offset to read, end the one to stop at.
	position, end int64
	// skipped are the keys of records that were not applied, as far as no later record was. firstSkipped is the offset
	// of the first, and seenThere the greatest epoch up to it.
	skipped      map[string]struct{}
	firstSkipped int64
	seenThere    changelog.Epoch
}

// beginRestore finds the position of each store and begins to read its changelog from there.
func (w *Worker) beginRestore(ctx context.Context, t *task) error {
	if err := w.loadCommits(ctx, t); err != nil {
		return err
	}
	if len(t.stores)+len(t.unlogged) == 0 {
		if err := w.lookUpTopicIDs(ctx, t); err != nil {
			return err
		}
		return w.start(ctx, t)
	}
	if err := t.loadKept(); err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if err := t.dropDoubtful(); err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if err := w.lookUpTopicIDs(ctx, t); err != nil {
		return err
	}
	changelogs := make([]broker.TopicPartition, len(t.stores))
	for i, s := range t.stores {
		changelogs[i] = broker.TopicPartition{Topic: s.Changelog, Partition: t.id.Partition}
	}
	earliest, err := w.cluster.Offsets(ctx, broker.Earliest, changelogs...)
	if err != nil {
		return fmt.Errorf("changelogs: %w", err)
	}
	// The end is that of all records, also of transactions that have not ended: the last one of the former owner may be
	// committed already while the changelog has not heard of it.
	ends, err := w.cluster.Offsets(ctx, broker.Latest, changelogs...)
	if err != nil {
		return fmt.Errorf("changelogs: %w", err)
	}
	log := t.env.Logger
	filter, err := w.prepareFilter(t)
	if err != nil {
		return err
	}
	for topic, offset := range t.positions {
		if reflected, ok := t.reflected[topic]; ok && reflected > offset && len(t.stores) > 0 {
			log.Warn("state is ahead of the committed offset, which was moved back: records in between count twice",
				"topic", topic, "committed", offset, "state", reflected)
		}
	}
	for i := range t.stores {
		s, tp := &t.stores[i], changelogs[i]
		position, known, err := t.database.Offset(database.ChangelogOffset, s.Name)
		if err != nil {
			return err
		}
		if s.seen, err = t.database.Epoch(s.Name); err != nil {
			return err
		}
		standing, err := t.database.Standing(s.Name)
		if err != nil {
			return err
		}
		switch {
		case !known:
			position = earliest[tp]
			standing.Lacks = position
		case position > ends[tp]:
			return fmt.Errorf("store %q reflects the changelog up to offset %d, but %s ends at %d: the topic was made anew "+
				"or has lost data; delete the state of the task to go on with what the changelog holds", s.Name, position, tp, ends[tp])
		case position < earliest[tp] && t.complete():
			// The part that was cut off is a marker of a transaction, a claim, or is from a time before the state of another process was
			// committed here.
			log.Warn("the changelog was cut behind the position of the state, which reflects all committed input and is kept",
				"store", s.Name, "state", position, "changelog_earliest", earliest[tp])
			position = earliest[tp]
		case position < earliest[tp]:
			log.Error("the changelog has lost records that the state lacks; the state is deleted and restored from what is left",
				"store", s.Name, "state", position, "changelog_earliest", earliest[tp])
			if err := t.clear(s); err != nil {
				return err
			}
			position = earliest[tp]
			standing.Lacks = position
		case earliest[tp] > max(standing.Lacks, standing.Accepted):
			log.Warn("the changelog does not begin with its first record any more: the state is whole in this database only",
				"store", s.Name, "changelog", tp.Topic, "changelog_earliest", earliest[tp])
		}
		s.restore = &restore{
			store: s, position: position, end: ends[tp], filter: filter, skipped: map[string]struct{}{},
			standing: standing, trusted: len(t.uncommitted) == 0, doubt: w.inDoubt(t),
		}
		if position >= ends[tp] {
			continue
		}
		log.Info("restoring state", "store", s.Name, "from", position, "to", ends[tp], "reused", known)
		t.restores[tp.Topic] = s.restore
		w.route[tp] = t
		w.fetcher.Start(tp, position)
	}
	t.restoreBegan = w.config.Clock.Now()
	if len(t.restores) == 0 {
		return w.restored(ctx, t)
	}
	return nil
}

// complete reports whether the database reflects all input that the group has committed, or that nothing is known to be committed
// beyond it.
func (t *task) complete() bool {
	for topic := range t.inputs {
		reflected, ok := t.reflected[topic]
		if committed, known := t.positions[topic]; !ok || known && committed != reflected {
			return false
		}
	}
	return true
}

// clear deletes all rows of a store.
func (t *task) clear(s *taskStore) error {
	return t.database.Write(func(b state.Batch) error { return t.database.Forget(b, s.Name, s.prefix) })
}

// applyChangelog writes a batch of a changelog to the database.
func (w *Worker) applyChangelog(ctx context.Context, t *task, b *broker.Batch) error {
	r := t.restores[b.Topic]
	if r == nil {
		return nil
	}
	err := r.collect(b, t)
	if err == nil && (r.position >= r.end || r.entries.Bytes() >= w.loadBytes()) {
		err = t.write(r, w.config.LoadRecords)
	}
	if err != nil {
		return fmt.Errorf("task %s: restore store %q: %w", t.name, r.store.Name, err)
	}
	if r.position < r.end {
		return nil
	}
	w.fetcher.Stop(b.TopicPartition)
	delete(w.route, b.TopicPartition)
	delete(t.restores, b.Topic)
	if len(t.restores) > 0 {
		return nil
	}
	return w.restored(ctx, t)
}

// restored is called when all changelogs of the task have been read to their end.
func (w *Worker) restored(ctx context.Context, t *task) error {
	if !w.config.ExactlyOnce && len(t.stores) > 0 && !t.owned() {
		w.claiming, t.unclaimed = true, true // by the next step, with others
		return nil
	}
	w.place(t)
	for topic := range t.inputs {
		t.adoptID(topic, t.knownTopic(topic))
	}
	if err := w.judgeCut(t); err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if err := w.settleKept(t); err != nil {
		return fmt.Errorf("task %s: stores without a changelog: %w", t.name, err)
	}
	// The input that the state reflects, for a start without committed offsets.
	err := t.database.Write(func(b state.Batch) error {
		for topic, offset := range t.positions {
			if reflected, ok := t.reflected[topic]; ok && reflected >= offset {
				continue
			}
			if id := t.topicIDs[topic]; id != "" && !t.uncommitted[topic] {
				if err := b.Set(database.MetaKey(database.TopicIDRow, topic), []byte(id)); err != nil {
					return err
				}
			}
			if err := database.SetOffset(b, database.InputOffset, topic, offset); err != nil {
				return err
			}
		}
		if w.inDoubt(t) {
			return b.Delete(database.MetaKey(database.DoubtRow, ""))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("task %s: write state: %w", t.name, err)
	}
	if t.restored > 0 {
		// So that a process that is killed soon, again and again, gets on.
		if err := t.database.Backend.Sync(); err != nil {
			return fmt.Errorf("task %s: make restored state durable: %w", t.name, err)
		}
		t.env.Logger.Info("state restored", "records", t.restored, "bytes", t.restoredBytes,
			"took", w.config.Clock.Now().Sub(t.restoreBegan))
	}
	for i := range t.stores {
		t.stores[i].position = t.stores[i].restore.position
	}
	if err := t.chooseSinkEpoch(); err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if err := w.start(ctx, t); err != nil {
		return err
	}
	// Not before: a checkpoint now commits offsets of the task, which only its owner can. Without them a process that has
	// lost the task, and does not know the offsets committed since, would take back the work of its successor.
	for i := range t.stores {
		r := t.stores[i].restore
		r.store.restore, r.store.standing = nil, r.standing
		if len(r.skipped) == 0 {
			continue
		}
		if err := t.takeBack(r, w.config.Clock.Now().UnixMilli()); err != nil {
			return fmt.Errorf("task %s: restore store %q: take back uncommitted changes: %w", t.name, r.store.Name, err)
		}
	}
	return nil
}

// unstarted reports whether a task is restored, and its start was given up in the middle: nothing is read that would begin it again.
func (t *task) unstarted() bool { return t.state == restoring && len(t.restores) == 0 && !t.unclaimed }

// startRestored starts the tasks with a start that was given up.
func (w *Worker) startRestored(ctx context.Context) error {
	if !w.unstarted {
		return nil
	}
	w.unstarted = false
	for _, t := range w.sortedTasks() {
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

// collect takes the records of a batch that count.
func (r *restore) collect(b *broker.Batch, t *task) error {
	key := append([]byte(nil), r.store.prefix...)
	for i := range b.Records {
		record := &b.Records[i]
		if record.Offset >= r.end {
			break // written by nobody we know: tasks write their changelogs alone, and this one does not run yet
		}
		e, err := changelog.EpochOf(record)
		if err != nil {
			return fmt.Errorf("%s at offset %d: %w", b.TopicPartition, record.Offset, err)
		}
		known := e != (changelog.Epoch{})
		stale := known && e.Before(r.store.seen)
		if known && !stale {
			r.store.seen = e
		}
		switch string(record.Key) {
		case changelog.ClaimKey:
			continue
		case changelog.StandingKey:
			if !stale {
				if err := r.takeStanding(record, r.trusted || !known); err != nil {
					return fmt.Errorf("%s at offset %d: %w", b.TopicPartition, record.Offset, err)
				}
			}
			continue
		}
		ok, err := r.filter.Accepts(record)
		if err != nil {
			return fmt.Errorf("%s at offset %d: %w", b.TopicPartition, record.Offset, err)
		}
		if !ok || stale {
			if len(r.skipped) == 0 {
				r.firstSkipped, r.seenThere = record.Offset, r.store.seen
			}
			r.skipped[string(record.Key)] = struct{}{}
			continue
		}
		if r.filter.Fresh {
			r.filter.Fresh = false
			for topic, in := range r.filter.Processed {
				r.standing.Reach(topic, in)
			}
			r.standing.Final = r.trusted || !known
		}
		if len(r.skipped) > 0 {
			delete(r.skipped, string(record.Key))
		}
		key = append(key[:len(r.store.prefix)], record.Key...)
		if record.Value == nil {
			r.entries.Delete(key)
		} else {
			r.entries.Set(key, record.Value)
		}
		t.restored++
		t.restoredBytes += int64(len(record.Key) + len(record.Value))
	}
	r.position = min(b.NextOffset, r.end)
	return nil
}

// loadBytes returns how much to collect for one store.
func (w *Worker) loadBytes() int {
	stores := 1
	for _, t := range w.tasks {
		stores += len(t.restores)
	}
	return max(w.config.MinLoadBytes, w.config.MaxLoadBytes/stores)
}

// write writes the collected changes, and the store's position behind them, to the database: from loadRecords changes on
// as a table.
func (t *task) write(r *restore, loadRecords int) error {
	defer r.entries.Reset()
	position, seen := r.position, r.store.seen
	if len(r.skipped) > 0 {
		// To be met again if the process ends before they are taken back. Not with the epoch of a later owner: they may
		// have been skipped only because it was not known here that their owner had committed them.
		position, seen = r.firstSkipped, r.seenThere
	}
	key, value := database.OffsetRow(database.ChangelogOffset, r.store.Name, position)
	r.entries.Set(key, value)
	r.entries.Set(database.MetaKey(database.EpochRow, r.store.Name), seen[:])
	if r.doubt {
		r.entries.Set(database.MetaKey(database.DoubtRow, ""), []byte{1})
	}
	standing, err := r.standing.Encode()
	if err != nil {
		return err
	}
	r.entries.Set(database.MetaKey(database.StandingRow, r.store.Name), standing)
	if r.entries.Len() >= loadRecords {
		return t.database.Backend.Load(&r.entries)
	}
	return t.database.Write(r.entries.CopyTo)
}

// takeBack appends to the changelog the database's values of the rows that skipped records changed. Otherwise those
// records would count in a later restore, when the offsets that they carry are committed: the work is done again, but it
// may be cut into other checkpoints, and need not leave a record of each of these rows.
//
// The next checkpoint moves the position of the database past the skipped records.
func (t *task) takeBack(r *restore, now int64) error {
	// The task may go on with another topic of the same name, and the offset there is committed next.
	reflected := map[string]int64{}
	for topic, committed := range r.filter.Committed {
		reflected[topic] = min(committed, t.positions[topic])
	}
	record := broker.Record{Headers: t.changelogHeaders(reflected), Millis: now}
	row, value := []byte{}, []byte{} // not nil, so that an empty value does not delete
	for _, key := range slices.Sorted(maps.Keys(r.skipped)) {
		row = append(append(row[:0], r.store.prefix...), key...)
		var err error
		value, err = t.database.Backend.Get(value[:0], row)
		switch {
		case err == nil:
			record.Value = value
		case errors.Is(err, state.ErrNotFound):
			record.Value = nil
		default:
			return err
		}
		record.Key = []byte(key)
		r.store.appended++
		if err := r.store.changelog.Append(t.id.Partition, &record); err != nil {
			return err
		}
	}
	t.env.Logger.Info("took back changes that were not committed", "store", r.store.Name, "rows", len(r.skipped))
	r.store.tookBack, t.changed = true, true
	return nil
}
