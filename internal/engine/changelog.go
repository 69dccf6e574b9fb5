package engine

import (
	"bytes"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

// changelogHeaders returns the headers of the records of one checkpoint.
func (t *task) changelogHeaders(positions map[string]int64) []weir.Header {
	headers := changelog.EncodeProcessed(positions, t.topicIDs)
	if t.epoch != (changelog.Epoch{}) {
		headers = append(headers, weir.Header{Key: changelog.OwnerHeader, Value: bytes.Clone(t.epoch[:])})
	}
	return headers
}

// advancePosition moves a store's position in its changelog past the records of the checkpoint, unless other processes have
// written in between.
func (s *taskStore) advancePosition(batch state.Batch, last int64, exactlyOnce bool) (alone bool, err error) {
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
