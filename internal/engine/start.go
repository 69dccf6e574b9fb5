package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/offsets"
	"github.com/weirstreams/weir/internal/graph"
)

// start finds the positions in the input of a task with complete state. It begins to fetch the input unless the positions have
// to be committed first.
func (w *Worker) start(ctx context.Context, t *task) error {
	inputs := t.input.Partitions()
	earliest, ends, err := offsets.Bounds(ctx, w.cluster, inputs...)
	if err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	lost := false
	for _, tp := range inputs {
		t.input.Ends[tp.Topic] = ends[tp]
		position, ok, err := w.lostPosition(ctx, t, tp, earliest[tp], ends[tp])
		if err == nil && !ok {
			position, err = w.firstOffset(ctx, t, tp, earliest[tp], ends[tp])
		}
		if err != nil {
			return fmt.Errorf("task %s: %w", t.name, err)
		}
		// A position behind lost input is committed even if no record follows: else each start would meet the loss again.
		before, known := t.input.Next[tp.Topic]
		lost = lost || ok || known && position != before
		t.input.Jump(tp.Topic, position)
	}
	t.input.Checkpointed()
	t.input.NoteAll()
	if len(inputs) > 1 || t.flies() {
		t.aligned = w.newMerge(t)
	}
	t.state = running // not before: a worker whose job has failed may take another step
	w.tasks.mergeAnew()
	if len(t.input.Uncommitted) > 0 || lost || t.lacking || t.sinks.InPhases() {
		t.state, w.starting = starting, true // a restore may end in the middle of a step, which must not go on with the task
		return nil
	}
	return w.fetchInput(ctx, t)
}

// commitStarts makes a checkpoint of the start positions of tasks with inputs that had no committed offsets. Only then are their
// inputs fetched: a task that the group has given to another member finds that out here, before it has written records that its
// successor meets. From then on the group has offsets for each topic that it has read, until the cluster forgets them.
func (w *Worker) commitStarts(ctx context.Context) error {
	if !w.starting || w.resting() || w.heldBack() {
		return nil
	}
	var starts []*task
	for _, t := range w.tasks.all() {
		if t.state == starting {
			t.changed = true
			t.sinks.AnnounceEpoch()
			starts = append(starts, t)
		}
	}
	if err := w.Checkpoint(ctx); err != nil {
		return err
	}
	if err := w.recoverSinks(ctx, starts); err != nil {
		return err
	}
	w.starting = false
	moved := false
	for _, t := range starts {
		t.state = running
		for _, tp := range t.input.Partitions() {
			delete(w.replaced, tp)
		}
		if err := w.fetchInput(ctx, t); err != nil {
			return err
		}
		if t.stores.Moved() {
			t.changed, moved = true, true
		}
	}
	if !moved {
		return w.commitPrepared(ctx)
	}
	return w.Checkpoint(ctx)
}

// lostPosition returns the start of an input with a lost position: the topic is another one than the state reflects, or
// was read before and the offsets of that are not known any more. ok is false if it is not so.
func (w *Worker) lostPosition(
	ctx context.Context, t *task, tp broker.TopicPartition, earliest, end int64,
) (position int64, ok bool, err error) {
	position, known := t.input.Next[tp.Topic]
	lost := t.input.Misplaced(tp, position)
	if lost == nil {
		lost = w.replaced[tp]
	}
	if lost == nil && !known {
		lost, err = w.history.Forgotten(ctx, t.part, tp)
	}
	if lost == nil || err != nil {
		return 0, false, err
	}
	goOn := earliest
	if _, former := t.input.FormerID(tp.Topic); t.input.Unsure[tp.Topic] && !former && w.replaced[tp] == nil {
		goOn = max(earliest, position)
	}
	position, err = w.lostInput(ctx, t, lost, goOn, end)
	return position, true, err
}

// firstOffset returns where to begin with a partition of the input.
func (w *Worker) firstOffset(ctx context.Context, t *task, tp broker.TopicPartition, earliest, end int64) (int64, error) {
	committed, ok := t.input.Next[tp.Topic]
	switch {
	case ok && committed < earliest:
		lost := &broker.OffsetOutOfRangeError{TopicPartition: tp, Offset: committed, Earliest: earliest, End: end}
		return w.lostInput(ctx, t, lost, earliest, end)
	case ok:
		return committed, nil // if it is beyond the end the fetcher will tell
	case w.config.OffsetReset == ResetEarliest, w.internal(t, tp.Topic), w.fed(t, tp.Topic):
		return earliest, nil
	case w.config.OffsetReset == ResetLatest:
		if later, err := w.addedLater(ctx, t, tp); later || err != nil {
			return earliest, err
		}
		return end, nil
	default:
		return 0, fmt.Errorf("%w of group %q for %s, and Config.Topics.OffsetReset says to fail", weir.ErrNoOffset, w.plan.Group, tp)
	}
}

// internal reports whether a task's input is an internal topic. Its records are the group's own unfinished work.
func (w *Worker) internal(t *task, topic string) bool {
	return slices.ContainsFunc(t.part.Sources, func(n *graph.Node) bool {
		return n.Source.Repartition != nil && w.plan.Topic(n) == topic
	})
}

// addedLater reports whether a partition was added to its topic after the group has committed offsets of others.
func (w *Worker) addedLater(ctx context.Context, t *task, tp broker.TopicPartition) (bool, error) {
	partitions, err := w.history.PresentPartitions(ctx, tp)
	if err != nil {
		return false, err
	}
	return t.input.AddedLater(ctx, w.cluster, w.plan.Group, tp.Topic, partitions)
}
