package stores

import (
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

// syncInterval is how often checkpoints of one task are made durable at most. It bounds the part of the changelog that is read
// after a crash, and the time spent on waiting for the disk where checkpoints are frequent.
const syncInterval = time.Second

// Commit writes the batch of a checkpoint, and the offsets that it reflects, to the database. A nil batch is that of a task without
// stores. alone is false if another process has written to a changelog.
func (s *Set) Commit(batch state.Batch, producer broker.Producer) (alone bool, err error) {
	s.emptying = false
	if batch == nil {
		return true, nil
	}
	alone = true
	for i := range s.logged {
		store := &s.logged[i]
		if !store.flushed && !store.tookBack {
			continue
		}
		last, err := s.lastOffset(producer, store)
		if err != nil {
			return alone, err
		}
		ours, err := store.advancePosition(batch, last, s.config.ExactlyOnce)
		if err != nil {
			return alone, err
		}
		alone = alone && ours
	}
	for topic, offset := range s.Input.Next {
		if err := database.SetOffset(batch, database.InputOffset, topic, offset); err != nil {
			return alone, err
		}
		if id := s.Input.IDs[topic]; id != "" && !s.idsWritten {
			if err := batch.Set(database.MetaKey(database.TopicIDRow, topic), []byte(id)); err != nil {
				return alone, err
			}
		}
	}
	if len(s.unlogged) > 0 {
		s.kept = s.keptNow()
		if err := database.SetKept(batch, database.KeptRow, s.kept, nil); err != nil {
			return alone, err
		}
	}
	// Unsynced writes lie in the memory of this process for a while, and a kill takes them.
	now := s.config.Clock.Now()
	sync := now.Sub(s.synced) >= syncInterval
	if err := batch.Commit(sync); err != nil {
		return alone, err
	}
	if sync {
		s.synced = now
	}
	s.idsWritten = true
	for i := range s.logged {
		store := &s.logged[i]
		store.tookBack = false
		store.standing = store.flushedStanding
		store.store.Committed()
	}
	for i := range s.unlogged {
		s.unlogged[i].store.Committed()
	}
	return alone, nil
}
