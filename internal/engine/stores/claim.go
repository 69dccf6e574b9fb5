package stores

import (
	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
)

// Epoch returns the epoch of the claim, and zero before.
func (s *Set) Epoch() changelog.Epoch { return s.epoch }

// Seen returns the epochs of owners that the changelogs tell, the greatest of each.
func (s *Set) Seen() (epochs []changelog.Epoch) {
	for i := range s.logged {
		if seen := s.logged[i].seen; seen != (changelog.Epoch{}) {
			epochs = append(epochs, seen)
		}
	}
	return epochs
}

// Claim appends a claim of an epoch to each changelog: records in front of it belong to owners before.
func (s *Set) Claim(epoch changelog.Epoch) error {
	s.epoch, s.claimed = epoch, true
	claim := broker.Record{
		Key: []byte(changelog.ClaimKey), Value: s.epoch[:], Headers: []weir.Header{{Key: changelog.OwnerHeader, Value: s.epoch[:]}},
		Millis: s.config.Clock.Now().UnixMilli(),
	}
	for i := range s.logged {
		if err := s.logged[i].changelog.Append(s.config.Partition, &claim); err != nil {
			return err
		}
	}
	return nil
}

// DropClaim forgets a claim that may not have been acknowledged.
func (s *Set) DropClaim() { s.claimed = false }

// RestoreToClaims goes on with the restore up to the claims, which are acknowledged. It returns the changelogs to read because of records
// in front of the claims, also with an error.
func (s *Set) RestoreToClaims(producer broker.Producer, loadRecords int) (fetches []Fetch, err error) {
	for i := range s.logged {
		store := &s.logged[i]
		offset, err := s.lastOffset(producer, store)
		if err != nil {
			return fetches, err
		}
		r := store.restore
		if r.end = offset + 1; r.position < offset {
			tp := s.partitionOf(store)
			s.restores[tp.Topic] = r
			fetches = append(fetches, Fetch{tp, r.position})
			continue
		}
		store.seen, r.position = s.epoch, r.end
		if err := r.write(s.db, loadRecords); err != nil {
			return fetches, err
		}
	}
	return fetches, nil
}

// Owned reports whether the task is claimed, and nobody has claimed it since. If somebody has, either the task is theirs by
// now, or they have lost it and been late; then it is claimed again, if the group says so.
func (s *Set) Owned() bool {
	for i := range s.logged {
		if s.epoch.Before(s.logged[i].seen) {
			s.claimed = false
		}
	}
	return s.claimed
}

// Exceeded reports whether another process has written to a changelog behind the records that the task knows. ends are the ends of the
// changelogs.
func (s *Set) Exceeded(ends map[broker.TopicPartition]int64) bool {
	for i := range s.logged {
		if ends[s.partitionOf(&s.logged[i])] > s.logged[i].position {
			return true
		}
	}
	return false
}
