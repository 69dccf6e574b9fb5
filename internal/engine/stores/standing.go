package stores

import (
	"cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

// TopicIDs implements progress.State: the ids that the standings tell, and that of the stores without a changelog.
func (s *Set) TopicIDs(topic string) []string {
	ids := make([]string, 0, len(s.logged)+1)
	for i := range s.logged {
		ids = append(ids, s.logged[i].standingNow().Inputs[topic].ID)
	}
	return append(ids, s.kept.Inputs[topic].ID)
}

// Standings returns the standings of the stores with a changelog, also while they are restored.
func (s *Set) Standings() []changelog.Standing {
	standings := make([]changelog.Standing, len(s.logged))
	for i := range s.logged {
		standings[i] = s.logged[i].standingNow()
	}
	return standings
}

// standingNow returns the standing of a store, also while it is restored.
func (s *Store) standingNow() changelog.Standing {
	if s.restore != nil {
		return s.restore.standing
	}
	return s.standing
}

// Moved reports whether the state reflects topics that are others by now, or lacks records of a changelog. Changelogs say which these are
// only when the offsets are committed, and before anything is processed: a standing in front of the offsets of the old topics would make a
// restore go on at those.
func (s *Set) Moved() bool {
	for i := range s.logged {
		standing := &s.logged[i].standing
		if standing.Cut() || len(standing.Inputs) > 0 && !standing.Is(s.Input.IDs) {
			return true
		}
	}
	return false
}

// reflectedID returns the id of the input topic that the database reflects, empty if it is not known.
func (s *Set) reflectedID(topic string) (id string, err error) {
	if id, err = s.db.TopicID(topic); err != nil {
		return "", err
	}
	for i := range s.logged {
		standing, err := s.db.Standing(s.logged[i].Name)
		if err != nil {
			return "", err
		}
		id = cmp.Or(id, standing.Inputs[topic].ID)
	}
	return cmp.Or(id, s.kept.Inputs[topic].ID), nil
}

// flushStanding writes the standing of a store if its changelog does not know the ids of the topics yet. It comes before the
// changes of the checkpoint.
func (s *Set) flushStanding(store *Store, batch state.Batch, f Flush) error {
	store.flushedStanding = store.standing
	if f.Starting || store.standing.Is(s.Input.IDs) && !store.standing.Cut() { // where a task starts the offsets come first: see Moved
		return nil
	}
	store.flushedStanding = s.Input.Standing(s.Input.Next, false)
	store.flushedStanding.AcceptCut(store.standing)
	if err := s.appendStanding(store, f.Millis); err != nil {
		return err
	}
	store.flushed = true
	value, err := store.flushedStanding.Encode()
	if err != nil {
		return err
	}
	return batch.Set(database.MetaKey(database.StandingRow, store.Name), value)
}

// appendStanding appends the flushed standing of a store to its changelog. It has no header with offsets: its own decide.
func (s *Set) appendStanding(store *Store, millis int64) error {
	value, err := store.flushedStanding.Encode()
	if err != nil {
		return err
	}
	record := broker.Record{Key: []byte(changelog.StandingKey), Value: value, Millis: millis}
	if s.epoch != (changelog.Epoch{}) {
		record.Headers = []weir.Header{{Key: changelog.OwnerHeader, Value: s.epoch[:]}}
	}
	store.appended++
	return store.changelog.Append(s.config.Partition, &record)
}

// AppendLast appends standings to the changelogs that say that all offsets are committed, at least once, before the task is closed in
// order. Without them a restore that finds no committed offsets cannot tell. PassLast follows when they are acknowledged.
func (s *Set) AppendLast(millis int64) error {
	for i := range s.logged {
		store := &s.logged[i]
		store.flushedStanding = s.Input.Standing(s.Input.Committed, true)
		store.flushedStanding.AcceptCut(store.standing)
		if err := s.appendStanding(store, millis); err != nil {
			return err
		}
	}
	return nil
}

// PassLast moves the positions of the stores past the records of AppendLast.
func (s *Set) PassLast(producer broker.Producer) error {
	return s.db.Write(func(batch state.Batch) error {
		for i := range s.logged {
			store := &s.logged[i]
			last, err := s.lastOffset(producer, store)
			if err != nil {
				return err
			}
			if _, err := store.advancePosition(batch, last, false); err != nil {
				return err
			}
		}
		return nil
	})
}
