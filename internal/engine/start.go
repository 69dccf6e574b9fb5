package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/engine/offsets"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
)

// start finds the positions in the input of a task with complete state. It begins to fetch the input unless the positions have
// to be committed first.
func (w *Worker) start(ctx context.Context, t *task) error {
	inputs := t.inputPartitions()
	earliest, ends, err := offsets.Bounds(ctx, w.cluster, inputs...)
	if err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	lost := false
	for _, tp := range inputs {
		t.ends[tp.Topic] = ends[tp]
		position, ok, err := w.lostPosition(ctx, t, tp, earliest[tp], ends[tp])
		if err == nil && !ok {
			position, err = w.firstOffset(ctx, t, tp, earliest[tp], ends[tp])
		}
		if err != nil {
			return fmt.Errorf("task %s: %w", t.name, err)
		}
		// A position behind lost input is committed even if no record follows: else each start would meet the loss again.
		before, known := t.positions[tp.Topic]
		lost = lost || ok || known && position != before
		t.positions[tp.Topic] = position
	}
	t.committed = maps.Clone(t.positions)
	t.noteTopics()
	if len(inputs) > 1 || t.flies() {
		t.aligned = w.newMerge(t)
	}
	t.state = running // not before: a worker whose job has failed may take another step
	w.alignedTasks = slices.DeleteFunc(slices.Clone(w.sortedTasks()), func(t *task) bool { return t.aligned == nil })
	if len(t.uncommitted) > 0 || lost || t.lacking || t.sinks.InPhases() {
		t.state, w.starting = starting, true // a restore may end in the middle of a step, which must not go on with the task
		return nil
	}
	return w.fetchInput(ctx, t)
}

// lostPosition returns the start of an input with a lost position: the topic is another one than the state reflects, or
// was read before and the offsets of that are not known any more. ok is false if it is not so.
func (w *Worker) lostPosition(
	ctx context.Context, t *task, tp broker.TopicPartition, earliest, end int64,
) (position int64, ok bool, err error) {
	position, known := t.positions[tp.Topic]
	lost := t.misplaced(tp, position)
	if lost == nil {
		lost = w.replaced[tp]
	}
	if lost == nil && !known {
		lost, err = w.forgotten(ctx, t, tp)
	}
	if lost == nil || err != nil {
		return 0, false, err
	}
	goOn := earliest
	if _, former := t.formerTopic(tp.Topic); t.unsure[tp.Topic] && !former && w.replaced[tp] == nil {
		goOn = max(earliest, position)
	}
	position, err = w.lostInput(ctx, t, lost, goOn, end)
	return position, true, err
}

// firstOffset returns where to begin with a partition of the input.
func (w *Worker) firstOffset(ctx context.Context, t *task, tp broker.TopicPartition, earliest, end int64) (int64, error) {
	committed, ok := t.positions[tp.Topic]
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

// overtakenError says that the group has committed later offsets of a task than the task has: another member had it meanwhile, and
// the records that it has processed may be purged. The task is opened anew from the committed offsets.
type overtakenError struct{ task *task }

func (e *overtakenError) Error() string {
	return fmt.Sprintf("task %s: another member has processed its input meanwhile", e.task.name)
}

// lostInput returns where to go on when the next record of a partition is gone, or not known: at one of two offsets. It may return
// an *overtakenError.
func (w *Worker) lostInput(ctx context.Context, t *task, lost error, goOn, end int64) (int64, error) {
	if out, ok := errors.AsType[*broker.OffsetOutOfRangeError](lost); ok {
		committed, err := w.cluster.CommittedOffsets(ctx, w.plan.Group, out.TopicPartition)
		if err != nil {
			return 0, fmt.Errorf("committed offsets: %w", err)
		}
		if committed[out.TopicPartition] > out.Offset {
			return 0, &overtakenError{t}
		}
	}
	switch w.config.LostInput {
	case LostContinue:
		t.env.Logger.Error("input is gone that was not processed; going on with what is left, state kept", "error", lost, "offset", goOn)
		return goOn, nil
	case LostReset:
		t.env.Logger.Error("input is gone that was not processed; going on with what comes next, state emptied", "error", lost)
		t.emptying, t.changed = t.database != nil, true
		return end, nil
	}
	if out, ok := errors.AsType[*broker.OffsetOutOfRangeError](lost); ok && t.truncated(out) == nil {
		lost = fmt.Errorf("%w: retention has removed it, or the topic was made anew", lost)
	}
	return 0, fmt.Errorf("%w: the next record of group %q is gone: %w; Config.Topics.OnLostInput says how to go on", weir.ErrLostInput, w.plan.Group, lost)
}

// goOnBehind goes on with a partition that does not have the next offset, and commits that.
func (w *Worker) goOnBehind(ctx context.Context, t *task, out *broker.OffsetOutOfRangeError) error {
	tp, lost, goOn := out.TopicPartition, error(out), out.Earliest
	truncated := t.truncated(out)
	if truncated != nil { // everything that is left was processed
		lost, goOn = truncated, out.End
	}
	position, err := w.lostInput(ctx, t, lost, goOn, out.End)
	if err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	emptying := t.emptying
	if truncated != nil {
		t.noteTruncated(tp.Topic)
	}
	t.positions[tp.Topic], t.changed = position, true
	if err := w.Checkpoint(ctx); err != nil {
		return err
	}
	if emptying || truncated != nil { // the caches hold what is not there any more, or changelogs have to say that the topic is another
		return w.reopen(t)
	}
	w.startInput(t, tp, position)
	return nil
}

// empty deletes all rows of a store, in the batch and in the changelog.
func (s *taskStore) empty(backend state.Backend, emit func(key, value []byte) error) error {
	return backend.Scan(s.prefix, database.EndOf(s.prefix), func(key, _ []byte) (bool, error) {
		return true, emit(key[len(s.prefix):], nil)
	})
}
