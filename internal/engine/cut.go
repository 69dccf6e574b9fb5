package engine

import (
	"fmt"
	"strings"

	"github.com/weirstreams/weir"
)

// A changelog is compacted and nothing else, which leaves its first offset where it is: 0, from its creation on. A greater one says
// that DeleteRecords or a retention has removed records. A database that has read them before is whole; a restore without one lacks the
// rows that were not written again since.

// judgeCut asks Config.Topics.OnLostInput about restored state that lacks records of its changelog. It returns an error if that says to fail.
// A group that has committed nothing, and that no state reflects anything of, begins anew: its changelogs were emptied on purpose.
func (w *Worker) judgeCut(t *task) error {
	var lost []string
	used := len(t.uncommitted) < len(t.inputs)
	for i := range t.stores {
		s := &t.stores[i]
		used = used || len(s.standingNow().Inputs) > 0
		if now := s.standingNow(); now.Cut() {
			lost = append(lost, fmt.Sprintf("changelog %s[%d] of store %q begins at offset %d", s.Changelog, t.id.Partition, s.Name, now.Lacks))
		}
	}
	if len(lost) == 0 || !used {
		return nil
	}
	err := fmt.Errorf("%w: %s, and no local database holds what the records before it have set. DeleteRecords, or a retention that "+
		"the topic had for a time, has removed them; compaction does not", weir.ErrLostState, strings.Join(lost, ", "))
	switch w.config.LostInput {
	case LostContinue:
		t.env.Logger.Error("going on with the state that is left", "error", err)
	case LostReset:
		t.env.Logger.Error("going on with empty state, at the committed offsets", "error", err)
		t.emptying = true
	default:
		return fmt.Errorf("%w. Start a member with the local database that has them, or write the changelog anew from a copy; else "+
			"Config.Topics.OnLostInput says how to go on: LostInputContinues keeps the rows that are left, LostInputResets empties the state of the "+
			"task", err)
	}
	t.lacking = true
	return nil
}
