package stores

import (
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

// restore reads the changes that a store's database lacks from the store's changelog.
type restore struct {
	store  *Store
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

// collect takes the records of a batch that count.
func (r *restore) collect(b *broker.Batch, restored *Restored) error {
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
		if changelog.Foreign(record) {
			return fmt.Errorf("%w: %s at offset %d: the record was written by another program, such as Quix Streams, and is no row: give the store another "+
				"name, or delete the changelog", weir.ErrDefinitionChanged, b.TopicPartition, record.Offset)
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
		restored.Records++
		restored.Bytes += int64(len(record.Key) + len(record.Value))
	}
	r.position = min(b.NextOffset, r.end)
	return nil
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

// write writes the collected changes, and the store's position behind them, to the database: from loadRecords changes on
// as a table.
func (r *restore) write(db *database.DB, loadRecords int) error {
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
		return db.Backend.Load(&r.entries)
	}
	return db.Write(r.entries.CopyTo)
}
