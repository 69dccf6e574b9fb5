package stores

import (
	"bytes"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/engine/outbox"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
)

// Store is a store of a task with its place in the database and its changelog.
type Store struct {
	graph.Store
	store     state.Store
	opened    int // its position in the operators' list, which begins at the end of the topology
	prefix    []byte
	changelog *outbox.Topic
	// seen is the greatest epoch in the changelog.
	seen changelog.Epoch
	// position is the next offset of the changelog if nobody else writes, and appended how many records were written from
	// there on.
	position, appended int64
	// standing is the last one that the changelog holds.
	standing changelog.Standing
	// flushedStanding is the one that it holds when the running checkpoint is complete.
	flushedStanding changelog.Standing
	// restore is nil while the task runs.
	restore *restore
	// flushed is set if the running checkpoint wrote to the changelog.
	flushed bool
	// largest is the size of the largest change of the running checkpoint, key and value, and largestKey its key.
	largest    int
	largestKey []byte
	// tookBack is set from the end of the restore to the next checkpoint if the restore wrote to the changelog.
	tookBack bool
}

// Largest returns the key of the largest change of the running checkpoint, and the size of key and value in bytes.
func (s *Store) Largest() (key []byte, size int) { return bytes.Clone(s.largestKey), s.largest }

// headers returns the headers of the changelog records of one checkpoint.
func (s *Set) headers(positions map[string]int64) []weir.Header {
	headers := changelog.EncodeProcessed(positions, s.Input.IDs)
	if s.epoch != (changelog.Epoch{}) {
		headers = append(headers, weir.Header{Key: changelog.OwnerHeader, Value: bytes.Clone(s.epoch[:])})
	}
	return headers
}

// advancePosition moves a store's position in its changelog past the records of the checkpoint, unless other processes have
// written in between.
func (s *Store) advancePosition(batch state.Batch, last int64, exactlyOnce bool) (alone bool, err error) {
	alone = exactlyOnce || last == s.position+s.appended-1
	s.appended = 0
	if !alone {
		return false, nil // so that the next restore meets them
	}
	s.position = last + 1
	if s.tookBack { // the epoch in the database belongs to the position before
		if err := batch.Set(database.MetaKey(database.EpochRow, s.Name), s.seen[:]); err != nil {
			return true, err
		}
	}
	return true, database.SetOffset(batch, database.ChangelogOffset, s.Name, s.position)
}

// empty deletes all rows of a store, in the batch and in the changelog.
func (s *Store) empty(backend state.Backend, emit func(key, value []byte) error) error {
	return backend.Scan(s.prefix, database.EndOf(s.prefix), func(key, _ []byte) (bool, error) {
		return true, emit(key[len(s.prefix):], nil)
	})
}

// ShowKey returns the text of the key of a record in a key of the changelog, or nothing if the store has no keys of records.
func (s *Store) ShowKey(key []byte) string {
	if shower, ok := s.store.(interface{ ShowKey(row []byte) string }); ok {
		return shower.ShowKey(key)
	}
	return ""
}
