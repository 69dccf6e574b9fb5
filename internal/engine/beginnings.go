package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/offsets"
	"github.com/weirstreams/weir/internal/engine/progress"
	"github.com/weirstreams/weir/internal/graph"
)

// beginnings finds the offset at which a task begins, or goes on, with an input. It asks the cluster, and fetches nothing. Only the goroutine of
// the worker calls its methods.
//
// It promises that records between the committed offset and the one to begin with are passed over only as Config.LostInput says.
type beginnings struct {
	config  *Config
	plan    *graph.Plan
	cluster broker.Cluster
	history *progress.History
	// replaced are the partitions of topics that were made anew while a task read them, until it is committed where the task goes
	// on with the new topic.
	replaced map[broker.TopicPartition]error
}

// place finds the positions in all inputs of a task with complete state. lost is set if one of them is another than the task knew:
// it is to be committed even if no record follows, else each start would meet the loss again.
func (b *beginnings) place(ctx context.Context, t *task) (lost bool, err error) {
	inputs := t.input.Partitions()
	earliest, ends, err := offsets.Bounds(ctx, b.cluster, inputs...)
	if err != nil {
		return false, fmt.Errorf("task %s: %w", t.name, err)
	}
	for _, tp := range inputs {
		t.input.Ends[tp.Topic] = ends[tp]
		position, ok, err := b.lost(ctx, t, tp, earliest[tp], ends[tp])
		if err == nil && !ok {
			position, err = b.first(ctx, t, tp, earliest[tp], ends[tp])
		}
		if err != nil {
			return false, fmt.Errorf("task %s: %w", t.name, err)
		}
		before, known := t.input.Next[tp.Topic]
		lost = lost || ok || known && position != before
		t.input.Jump(tp.Topic, position)
	}
	return lost, nil
}

// committed forgets partitions that were made anew: it is committed where the task goes on, or another member has gone on.
func (b *beginnings) committed(tps ...broker.TopicPartition) {
	for _, tp := range tps {
		delete(b.replaced, tp)
	}
}

// lost returns the start of an input with a lost position: the topic is another one than the state reflects, or
// was read before and the offsets of that are not known any more. ok is false if it is not so.
func (b *beginnings) lost(
	ctx context.Context, t *task, tp broker.TopicPartition, earliest, end int64,
) (position int64, ok bool, err error) {
	position, known := t.input.Next[tp.Topic]
	lost := t.input.Misplaced(tp, position)
	if lost == nil {
		lost = b.replaced[tp]
	}
	if lost == nil && !known {
		lost, err = b.history.Forgotten(ctx, t.part, tp)
	}
	if lost == nil || err != nil {
		return 0, false, err
	}
	next := earliest
	if _, former := t.input.FormerID(tp.Topic); t.input.Unsure[tp.Topic] && !former && b.replaced[tp] == nil {
		next = max(earliest, position)
	}
	position, err = b.goOn(ctx, t, lost, next, end)
	return position, true, err
}

// first returns where to begin with a partition of the input.
func (b *beginnings) first(ctx context.Context, t *task, tp broker.TopicPartition, earliest, end int64) (int64, error) {
	committed, ok := t.input.Next[tp.Topic]
	switch {
	case ok && committed < earliest:
		lost := &broker.OffsetOutOfRangeError{TopicPartition: tp, Offset: committed, Earliest: earliest, End: end}
		return b.goOn(ctx, t, lost, earliest, end)
	case ok:
		return committed, nil // if it is beyond the end the fetcher will tell
	case b.config.OffsetReset == ResetEarliest, t.internal(tp.Topic), t.fed(tp.Topic):
		return earliest, nil
	case b.config.OffsetReset == ResetLatest:
		if later, err := b.addedLater(ctx, t, tp); later || err != nil {
			return earliest, err
		}
		return end, nil
	default:
		return 0, fmt.Errorf("%w of group %q for %s, and Config.Topics.OffsetReset says to fail", weir.ErrNoOffset, b.plan.Group, tp)
	}
}

// internal reports whether a task's input is an internal topic. Its records are the group's own unfinished work.
func (t *task) internal(topic string) bool {
	return slices.ContainsFunc(t.part.Sources, func(n *graph.Node) bool {
		return n.Source.Repartition != nil && t.plan.Topic(n) == topic
	})
}

// addedLater reports whether a partition was added to its topic after the group has committed offsets of others.
func (b *beginnings) addedLater(ctx context.Context, t *task, tp broker.TopicPartition) (bool, error) {
	partitions, err := b.history.PresentPartitions(ctx, tp)
	if err != nil {
		return false, err
	}
	return t.input.AddedLater(ctx, b.cluster, b.plan.Group, tp.Topic, partitions)
}
