package stores

import (
	"fmt"
	"strings"

	"github.com/weirstreams/weir"
)

// A changelog is compacted and nothing else, which leaves its first offset where it is: 0, from its creation on. A greater one says
// that DeleteRecords or a retention has removed records. A database that has read them before is whole; a restore without one lacks the
// rows that were not written again since.

// Cut returns an error if restored state lacks records of its changelog, and nil if it lacks none.
// A group that has committed nothing, and that no state reflects anything of, begins anew: its changelogs were emptied on purpose.
func (s *Set) Cut() error {
	var lost []string
	used := s.Input.UsedBefore()
	for i := range s.logged {
		store := &s.logged[i]
		now := store.standingNow()
		used = used || len(now.Inputs) > 0
		if now.Cut() {
			lost = append(lost, fmt.Sprintf("changelog %s of store %q begins at offset %d", s.partitionOf(store), store.Name, now.Lacks))
		}
	}
	if len(lost) == 0 || !used {
		return nil
	}
	return fmt.Errorf("%w: %s, and no local database holds what the records before it have set. DeleteRecords, or a retention that "+
		"the topic had for a time, has removed them; compaction does not", weir.ErrLostState, strings.Join(lost, ", "))
}
