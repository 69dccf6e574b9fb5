package stores

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

// Restored counts the changelog records that a task has applied.
type Restored struct {
	Records int64
	// Bytes is the size of their keys and values.
	Bytes int64
	// Began is when the first record was asked for.
	Began time.Time
}

// Restored returns how far the restore has come.
func (s *Set) Restored() Restored { return s.restored }

// Remaining returns roughly how many changelog records are left to apply.
func (s *Set) Remaining() (records int64) {
	for _, r := range s.restores {
		records += r.end - r.position
	}
	return records
}

// Restores returns how many changelogs are not read to their end.
func (s *Set) Restores() int { return len(s.restores) }

// Fetch is a changelog that is to be read from a position on.
type Fetch struct {
	broker.TopicPartition
	Position int64
}

// Load reads the content of the stores without a changelog, and drops state that is in doubt. It is called when the committed offsets are known.
func (s *Set) Load() error {
	if err := s.loadKept(); err != nil {
		return err
	}
	return s.dropDoubtful()
}

// AdoptIDs takes over the suffixes of the ids of topics that the database reflects. It is called when the cluster was asked for the ids.
func (s *Set) AdoptIDs() error {
	if s.db == nil {
		return nil
	}
	for _, topic := range s.Input.Topics() {
		reflected, err := s.reflectedID(topic)
		if err != nil {
			return err
		}
		s.Input.AdoptID(topic, reflected)
	}
	return nil
}

// BeginRestore finds the position of each store in its changelog, and returns the changelogs to read from there, also with an error.
func (s *Set) BeginRestore(ctx context.Context, cluster broker.Cluster) (fetches []Fetch, err error) {
	changelogs := s.Changelogs()
	earliest, err := cluster.Offsets(ctx, broker.Earliest, changelogs...)
	if err != nil {
		return nil, fmt.Errorf("changelogs: %w", err)
	}
	// The end is that of all records, also of transactions that have not ended: the last one of the former owner may be
	// committed already while the changelog has not heard of it.
	ends, err := cluster.Offsets(ctx, broker.Latest, changelogs...)
	if err != nil {
		return nil, fmt.Errorf("changelogs: %w", err)
	}
	filter, err := s.filter()
	if err != nil {
		return nil, err
	}
	for topic, offset := range s.Input.Next {
		if reflected, ok := s.Input.Reflected[topic]; ok && reflected > offset && s.Logged() {
			s.config.Logger.Warn("state is ahead of the committed offset, which was moved back: records in between count twice",
				"topic", topic, "committed", offset, "state", reflected)
		}
	}
	for i := range s.logged {
		store, tp := &s.logged[i], changelogs[i]
		position, standing, known, err := s.begin(store, tp, earliest[tp], ends[tp])
		if err != nil {
			return fetches, err
		}
		store.restore = &restore{
			store: store, position: position, end: ends[tp], filter: filter, skipped: map[string]struct{}{},
			standing: standing, trusted: len(s.Input.Uncommitted) == 0, doubt: s.inDoubt(),
		}
		if position >= ends[tp] {
			continue
		}
		s.config.Logger.Info("restoring state", "store", store.Name, "from", position, "to", ends[tp], "reused", known)
		s.restores[tp.Topic], s.fetched = store.restore, true
		fetches = append(fetches, Fetch{tp, position})
	}
	s.restored.Began = s.config.Clock.Now()
	return fetches, nil
}

// begin returns the position of a store in its changelog, and its standing there. known says whether the database holds the store.
func (s *Set) begin(store *Store, tp broker.TopicPartition, earliest, end int64) (position int64, standing changelog.Standing, known bool, err error) {
	position, known, err = s.db.Offset(database.ChangelogOffset, store.Name)
	if err != nil {
		return 0, standing, known, err
	}
	if store.seen, err = s.db.Epoch(store.Name); err != nil {
		return 0, standing, known, err
	}
	if standing, err = s.db.Standing(store.Name); err != nil {
		return 0, standing, known, err
	}
	log := s.config.Logger
	switch {
	case !known:
		position = earliest
		standing.Lacks = position
	case position > end:
		return 0, standing, known, fmt.Errorf("store %q reflects the changelog up to offset %d, but %s ends at %d: the topic was made anew "+
			"or has lost data; delete the state of the task to go on with what the changelog holds", store.Name, position, tp, end)
	case position < earliest && s.Input.Complete():
		// The part that was cut off is a marker of a transaction, a claim, or is from a time before the state of another process was
		// committed here.
		log.Warn("the changelog was cut behind the position of the state, which reflects all committed input and is kept",
			"store", store.Name, "state", position, "changelog_earliest", earliest)
		position = earliest
	case position < earliest:
		log.Error("the changelog has lost records that the state lacks; the state is deleted and restored from what is left",
			"store", store.Name, "state", position, "changelog_earliest", earliest)
		if err := s.db.Write(func(b state.Batch) error { return s.db.Forget(b, store.Name, store.prefix) }); err != nil {
			return 0, standing, known, err
		}
		position = earliest
		standing.Lacks = position
	case earliest > max(standing.Lacks, standing.Accepted):
		log.Warn("the changelog does not begin with its first record any more: the state is whole in this database only",
			"store", store.Name, "changelog", tp.Topic, "changelog_earliest", earliest)
	}
	return position, standing, known, nil
}

// filter decides which changelog records belong to work that counts. That follows from the committed offsets. Of topics
// without any:
//
//   - Exactly once, all records count that can be seen: they were committed with their offsets.
//   - Otherwise, if other inputs of the task have committed offsets, these decide: offsets are committed together.
//   - Otherwise, if the database knows the input that it reflects, changes by later input do not count.
//   - Otherwise all records count, and the last standing tells whether the offsets that they carry were committed.
//
// Changes by input of topics that do not exist any more count always.
func (s *Set) filter() (changelog.Filter, error) {
	in := s.Input
	filter := changelog.Filter{Committed: maps.Clone(in.Next), IDs: in.IDs, Open: true}
	for _, topic := range in.Topics() {
		reflected, ok, err := s.db.Offset(database.InputOffset, topic)
		if err != nil {
			return filter, err
		}
		of, err := s.reflectedID(topic)
		if err != nil {
			return filter, err
		}
		if ok && !changelog.OtherTopic(of, in.IDs[topic]) {
			in.Reflected[topic] = reflected
		}
	}
	if !in.UsedBefore() && !s.config.ExactlyOnce && len(in.Reflected) > 0 {
		filter.Committed, filter.Open = maps.Clone(in.Reflected), false
	}
	return filter, nil
}

// Apply takes a batch of a changelog. From loadBytes collected bytes on, and at the end, the changes are written: from loadRecords changes
// on as a table. It reports whether the changelog is read to its end.
func (s *Set) Apply(b *broker.Batch, loadBytes, loadRecords int) (done bool, err error) {
	r := s.restores[b.Topic]
	if r == nil {
		return false, nil
	}
	err = r.collect(b, &s.restored)
	if err == nil && (r.position >= r.end || r.entries.Bytes() >= loadBytes) {
		err = r.write(s.db, loadRecords)
	}
	if err != nil {
		return false, fmt.Errorf("restore store %q: %w", r.store.Name, err)
	}
	if r.position < r.end {
		return false, nil
	}
	delete(s.restores, b.Topic)
	return true, nil
}

// Settle finds out whether the stores without a changelog reflect the committed input, and writes the input that the state reflects, for a
// start without committed offsets. It is called when all changelogs were read to their end, and the positions are known.
func (s *Set) Settle() error {
	if err := s.settleKept(); err != nil {
		return fmt.Errorf("stores without a changelog: %w", err)
	}
	in := s.Input
	err := s.db.Write(func(b state.Batch) error {
		for topic, offset := range in.Next {
			if reflected, ok := in.Reflected[topic]; ok && reflected >= offset {
				continue
			}
			if id := in.IDs[topic]; id != "" && !in.Uncommitted[topic] {
				if err := b.Set(database.MetaKey(database.TopicIDRow, topic), []byte(id)); err != nil {
					return err
				}
			}
			if err := database.SetOffset(b, database.InputOffset, topic, offset); err != nil {
				return err
			}
		}
		if s.inDoubt() {
			return b.Delete(database.MetaKey(database.DoubtRow, ""))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if s.restored.Records > 0 {
		// So that a process that is killed soon, again and again, gets on.
		if err := s.db.Backend.Sync(); err != nil {
			return fmt.Errorf("make restored state durable: %w", err)
		}
	}
	if s.fetched {
		s.config.Logger.Info("state restored", "records", s.restored.Records, "bytes", s.restored.Bytes,
			"took", s.config.Clock.Now().Sub(s.restored.Began))
	}
	for i := range s.logged {
		s.logged[i].position = s.logged[i].restore.position
	}
	return nil
}

// EndRestore ends the restore when the task has started. It takes back changes that do not count; tookBack says that the next checkpoint has to
// be made for that.
func (s *Set) EndRestore() (tookBack bool, err error) {
	for i := range s.logged {
		r := s.logged[i].restore
		r.store.restore, r.store.standing = nil, r.standing
		if len(r.skipped) == 0 {
			continue
		}
		if err := s.takeBack(r, s.config.Clock.Now().UnixMilli()); err != nil {
			return tookBack, fmt.Errorf("restore store %q: take back uncommitted changes: %w", r.store.Name, err)
		}
		tookBack = true
	}
	return tookBack, nil
}

// takeBack appends to the changelog the database's values of the rows that skipped records changed. Otherwise those
// records would count in a later restore, when the offsets that they carry are committed: the work is done again, but it
// may be cut into other checkpoints, and need not leave a record of each of these rows.
//
// The next checkpoint moves the position of the database past the skipped records.
func (s *Set) takeBack(r *restore, millis int64) error {
	// The task may go on with another topic of the same name, and the offset there is committed next.
	reflected := map[string]int64{}
	for topic, committed := range r.filter.Committed {
		reflected[topic] = min(committed, s.Input.Next[topic])
	}
	record := broker.Record{Headers: s.headers(reflected), Millis: millis}
	row, value := []byte{}, []byte{} // not nil, so that an empty value does not delete
	for _, key := range slices.Sorted(maps.Keys(r.skipped)) {
		row = append(append(row[:0], r.store.prefix...), key...)
		var err error
		value, err = s.db.Backend.Get(value[:0], row)
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
		if err := r.store.changelog.Append(s.config.Partition, &record); err != nil {
			return err
		}
	}
	s.config.Logger.Info("took back changes that were not committed", "store", r.store.Name, "rows", len(r.skipped))
	r.store.tookBack = true
	return nil
}
