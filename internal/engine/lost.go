package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
)

// explain adds the meaning of an error of the fetcher, and goes on after one that has a remedy.
func (w *Worker) explain(ctx context.Context, lost error) (err error) {
	var tp broker.TopicPartition
	out, outOfRange := errors.AsType[*broker.OffsetOutOfRangeError](lost)
	replaced, ok := errors.AsType[*broker.TopicReplacedError](lost)
	switch {
	case outOfRange:
		tp = out.TopicPartition
	case ok:
		tp = replaced.TopicPartition
	default:
		return lost // which says what was to be fetched
	}
	t := w.intake.route[tp]
	switch {
	case t == nil:
		return nil // it was stopped meanwhile
	case t.state == restoring:
		return fmt.Errorf("task %s: restore: %w: the changelog was changed while it was read; start again", t.name, lost)
	}
	if t.aligned != nil {
		if t.aligned.Lose(tp.Topic, lost) { // the records that were read before it come first
			w.intake.fetcher.Stop(tp)
			return nil
		}
	}
	// The records processed so far count, under the old offsets.
	if err := w.Checkpoint(ctx); err != nil {
		return err
	}
	if outOfRange {
		if replaced, err = w.topicIDs.find(ctx, t, tp.Topic); err != nil {
			return err
		}
	}
	if replaced == nil {
		return w.goOnBehind(ctx, t, out, lost)
	}
	w.restorer.beginnings.replaced[tp] = replaced
	return w.reopen(t)
}

// lookForReplaced opens tasks anew whose input topics were made anew so fast that the fetcher has not noticed it.
func (w *Worker) lookForReplaced(ctx context.Context) error {
	if w.membership.Rests() || w.intake.gate.Held() || w.processing.current.batch != nil {
		return nil
	}
	replaced, err := w.topicIDs.look(ctx)
	if replaced == nil || err != nil {
		return err
	}
	return w.explain(ctx, replaced)
}

// goOnBehind goes on with a partition that does not have the next offset, and commits that.
func (w *Worker) goOnBehind(ctx context.Context, t *task, out *broker.OffsetOutOfRangeError, lost error) error {
	tp, goOn := out.TopicPartition, out.Earliest
	kept, reason, truncated := t.input.Truncated(lost)
	if truncated { // all records before that are left were processed
		lost, goOn = reason, max(goOn, kept)
	}
	position, err := w.restorer.beginnings.goOn(ctx, t, lost, goOn, out.End)
	if err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	emptying := t.stores.Emptying()
	if truncated {
		t.input.NoteTruncated(tp.Topic)
	}
	t.input.Jump(tp.Topic, position)
	if cut, ok := errors.AsType[*broker.TruncatedError](lost); ok && position == cut.Kept {
		t.input.NoteEpoch(tp.Topic, cut.KeptEpoch)
	}
	t.changed = true
	if err := w.Checkpoint(ctx); err != nil {
		return err
	}
	if emptying || truncated { // the caches hold what is not there any more, or changelogs have to say that the topic is another
		return w.reopen(t)
	}
	w.intake.startAt(t, tp, position)
	return nil
}

// topicIDs compares the ids of the topics that tasks read with those that the cluster knows. Only the goroutine of the worker calls its
// methods.
//
// It promises that a topic which was made anew is found within two minutes of reading, also if the fetcher goes on with it.
type topicIDs struct {
	cluster broker.Cluster
	clock   clock.Clock
	tasks   *taskSet
	// compared is when all topics were compared last.
	compared time.Time
}

// replacedInterval is how often the ids of the topics that tasks read are compared with those that the cluster knows.
const replacedInterval = time.Minute

// find returns an error that says so if an input topic of a task is another one than the task began with, and nil otherwise.
func (ids *topicIDs) find(ctx context.Context, t *task, topic string) (*broker.TopicReplacedError, error) {
	infos, err := ids.cluster.Topics(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("task %s: id of topic %q: %w", t.name, topic, err)
	}
	return t.input.ReplacedBy(topic, infos[topic].ID), nil
}

// look compares the topics of all running tasks if it is time, and returns an error that names the first that is another one. It is
// time again at the next call then, so that other tasks with the topic are found.
func (ids *topicIDs) look(ctx context.Context) (*broker.TopicReplacedError, error) {
	now := ids.clock.Now()
	if now.Sub(ids.compared) < replacedInterval {
		return nil, nil
	}
	ids.compared = now
	topics := map[string]bool{}
	for _, t := range ids.tasks.byID {
		if t.state == running {
			for topic := range t.inputs {
				topics[topic] = true
			}
		}
	}
	if len(topics) == 0 {
		return nil, nil
	}
	infos, err := ids.cluster.Topics(ctx, slices.Sorted(maps.Keys(topics))...)
	if errors.Is(err, weir.ErrUnavailable) {
		return nil, nil // there is time
	}
	if err != nil {
		return nil, fmt.Errorf("ids of the input topics: %w", err)
	}
	for _, t := range ids.tasks.all() {
		if t.state != running {
			continue
		}
		for _, tp := range t.input.Partitions() {
			if replaced := t.input.ReplacedBy(tp.Topic, infos[tp.Topic].ID); replaced != nil {
				ids.compared = time.Time{}
				return replaced, nil
			}
		}
	}
	return nil, nil
}

// overtakenError says that the group has committed later offsets of a task than the task has: another member had it meanwhile, and
// the records that it has processed may be purged. The task is opened anew from the committed offsets.
type overtakenError struct{ task *task }

func (e *overtakenError) Error() string {
	return fmt.Sprintf("task %s: another member has processed its input meanwhile", e.task.name)
}

// goOn returns where to go on when the next record of a partition is gone, or not known: at one of two offsets. It may return
// an *overtakenError.
func (b *beginnings) goOn(ctx context.Context, t *task, lost error, next, end int64) (int64, error) {
	if out, ok := errors.AsType[*broker.OffsetOutOfRangeError](lost); ok {
		committed, err := b.cluster.CommittedOffsets(ctx, b.plan.Group, out.TopicPartition)
		if err != nil {
			return 0, fmt.Errorf("committed offsets: %w", err)
		}
		if committed[out.TopicPartition] > out.Offset {
			return 0, &overtakenError{t}
		}
	}
	switch b.config.LostInput {
	case LostContinue:
		t.env.Logger.Error("input is gone that was not processed; going on with what is left, state kept", "error", lost, "offset", next)
		return next, nil
	case LostReset:
		t.env.Logger.Error("input is gone that was not processed; going on with what comes next, state emptied", "error", lost)
		t.stores.Empty()
		t.changed = true
		return end, nil
	}
	_, _, truncated := t.input.Truncated(lost)
	if _, ok := errors.AsType[*broker.OffsetOutOfRangeError](lost); ok && !truncated {
		lost = fmt.Errorf("%w: retention has removed it, or the topic was made anew", lost)
	}
	return 0, fmt.Errorf("%w: the next record of group %q is gone: %w; Config.Topics.OnLostInput says how to go on", weir.ErrLostInput, b.plan.Group, lost)
}
