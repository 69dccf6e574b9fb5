package progress

import (
	"fmt"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
)

// Place finds the positions of inputs without committed offsets, from the standings of the restored stores, and whether the
// last checkpoint may have ended in the middle.
func (in *Input) Place(standings []changelog.Standing, exactlyOnce bool) {
	for topic := range in.Uncommitted {
		next, known := in.Reflected[topic]
		whole := known
		if !known || exactlyOnce || in.UsedBefore() {
			final := true
			for _, s := range standings {
				if input, ok := s.Inputs[topic]; ok {
					next, known = max(next, input.Next), true
					final = final && s.Final
				}
			}
			whole = whole || final
		}
		if known {
			in.Next[topic] = next
			in.Unsure[topic] = !whole
		}
	}
}

// Misplaced returns why the position of an input cannot be relied on, although the topic may have that offset; nil if it can.
func (in *Input) Misplaced(tp broker.TopicPartition, position int64) error {
	if former, ok := in.FormerID(tp.Topic); ok {
		return fmt.Errorf("%s was deleted and made anew: task %s has processed the topic with id %s up to offset %d, "+
			"and the topic has id %s now", tp, in.Task, former, position, in.IDs[tp.Topic])
	}
	if in.Unsure[tp.Topic] {
		return fmt.Errorf("%s has no committed offset, although the task has state: the cluster forgets the offsets of a group that "+
			"is away for longer than offsets.retention.minutes. The changelogs reflect offset %d, but the process that wrote them "+
			"was not stopped in order, so that output of its last checkpoint may be missing", tp, position)
	}
	return nil
}

// Complete reports whether the database reflects all input that the group has committed, or that nothing is known to be committed
// beyond it.
func (in *Input) Complete() bool {
	for _, topic := range in.topics {
		reflected, ok := in.Reflected[topic]
		if committed, known := in.Next[topic]; !ok || known && committed != reflected {
			return false
		}
	}
	return true
}

// Standing returns where state stands that reflects the input up to some positions.
func (in *Input) Standing(positions map[string]int64, final bool) changelog.Standing {
	s := changelog.Standing{Inputs: map[string]changelog.Input{}, Final: final}
	for topic, next := range positions {
		s.Inputs[topic] = changelog.Input{ID: in.IDs[topic], Next: next}
	}
	return s
}
