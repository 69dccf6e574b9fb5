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
)

// explain adds the meaning of an error of the fetcher, and goes on after one that has a remedy.
func (w *Worker) explain(ctx context.Context, err error) error {
	var tp broker.TopicPartition
	out, outOfRange := errors.AsType[*broker.OffsetOutOfRangeError](err)
	replaced, ok := errors.AsType[*broker.TopicReplacedError](err)
	switch {
	case outOfRange:
		tp = out.TopicPartition
	case ok:
		tp = replaced.TopicPartition
	default:
		return err // which says what was to be fetched
	}
	t := w.route[tp]
	switch {
	case t == nil:
		return nil // it was stopped meanwhile
	case t.state == restoring:
		return fmt.Errorf("task %s: restore: %w: the changelog was changed while it was read; start again", t.name, err)
	}
	if t.aligned != nil {
		if t.aligned.Lose(tp.Topic, err) { // the records that were read before it come first
			w.fetcher.Stop(tp)
			return nil
		}
	}
	// The records processed so far count, under the old offsets.
	if err := w.Checkpoint(ctx); err != nil {
		return err
	}
	if outOfRange {
		if replaced, err = w.findReplaced(ctx, t, tp.Topic); err != nil {
			return err
		}
	}
	if replaced == nil {
		return w.goOnBehind(ctx, t, out)
	}
	w.replaced[tp] = replaced
	return w.reopen(t)
}

// findReplaced returns an error that says so if an input topic of a task is another one than the task began with, and nil otherwise.
func (w *Worker) findReplaced(ctx context.Context, t *task, topic string) (*broker.TopicReplacedError, error) {
	infos, err := w.cluster.Topics(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("task %s: id of topic %q: %w", t.name, topic, err)
	}
	return t.replacedBy(topic, infos[topic].ID), nil
}

// replacedBy returns an error if a topic has another id than the task knows.
func (t *task) replacedBy(topic, id string) *broker.TopicReplacedError {
	if !madeAnew(t.topicIDs[topic], id) {
		return nil
	}
	tp := broker.TopicPartition{Topic: topic, Partition: t.id.Partition}
	return &broker.TopicReplacedError{TopicPartition: tp, Former: t.topicIDs[topic], ID: id}
}

// replacedInterval is how often the ids of the topics that tasks read are compared with those that the cluster knows.
const replacedInterval = time.Minute

// lookForReplaced finds input topics that were made anew so fast that the fetcher has not noticed it.
func (w *Worker) lookForReplaced(ctx context.Context) error {
	now := w.config.Clock.Now()
	if now.Sub(w.comparedIDs) < replacedInterval || w.resting() || w.heldBack() || w.current.batch != nil {
		return nil
	}
	w.comparedIDs = now
	topics := map[string]bool{}
	for _, t := range w.tasks {
		if t.state == running {
			for topic := range t.inputs {
				topics[topic] = true
			}
		}
	}
	if len(topics) == 0 {
		return nil
	}
	infos, err := w.cluster.Topics(ctx, slices.Sorted(maps.Keys(topics))...)
	if errors.Is(err, weir.ErrUnavailable) {
		return nil // there is time
	}
	if err != nil {
		return fmt.Errorf("ids of the input topics: %w", err)
	}
	for _, t := range w.sortedTasks() {
		if t.state != running {
			continue
		}
		for _, tp := range t.inputPartitions() {
			if replaced := t.replacedBy(tp.Topic, infos[tp.Topic].ID); replaced != nil {
				w.comparedIDs = time.Time{} // so that the next step finds other tasks with it
				return w.explain(ctx, replaced)
			}
		}
	}
	return nil
}
