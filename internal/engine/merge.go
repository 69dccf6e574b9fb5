package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/aligned"
	"github.com/weirstreams/weir/internal/engine/gate"
)

// newMerge returns the merge of a task's inputs.
func (w *Worker) newMerge(t *task) *aligned.Merge {
	var inputs []*aligned.Input
	for _, n := range t.part.ReadOrder() {
		topic := t.plan.Topic(n)
		if op := t.inputs[topic]; op != nil {
			tp := broker.TopicPartition{Topic: topic, Partition: t.id.Partition}
			inputs = append(inputs, &aligned.Input{TopicPartition: tp, Operator: op})
		}
	}
	return aligned.New(aligned.Config{
		Cluster: w.cluster, Fetcher: w.fetcher, Clock: w.config.Clock, Logger: t.env.Logger,
		MaxRecords: w.config.MaxBufferedRecords, MaxBytes: w.config.MaxBufferedBytes, Timeout: w.config.AlignTimeout,
		Ended: func(topic string, end int64, gone bool) {
			if gone {
				end = t.input.Next[topic]
			}
			t.input.Ends[topic] = end
		},
	}, inputs)
}

// mergeAll lets the tasks with several inputs process their next records, and reports whether there was anything.
func (w *Worker) mergeAll(ctx context.Context) (worked bool, err error) {
	if len(w.tasks.merging) == 0 {
		return false, nil
	}
	if err := w.look(ctx); err != nil {
		return false, err
	}
	for _, t := range w.tasks.merging {
		if w.observer.halts() || w.due() && !w.waitsForCalls() {
			return worked, nil // the step makes the checkpoint
		}
		began := w.config.Clock.Now()
		n, err := w.merge(t, w.schedule.Room(w.search.Limit()))
		worked = worked || n > 0
		w.schedule.Took(n)
		if err != nil {
			return worked, err
		}
		if n > 0 {
			w.schedule.Adjust(n, w.config.Clock.Now().Sub(began))
			t.aligned.Moved()
		}
	}
	if worked {
		if err := w.delivery.SendDue(ctx); err != nil {
			return true, err
		}
	}
	for _, t := range w.tasks.merging {
		if lost := t.aligned.Lost(); lost != nil {
			return true, w.explain(ctx, lost) // which may open tasks anew
		}
		if err := t.aligned.Stall(ctx); err != nil {
			return worked, fmt.Errorf("task %s: %w", t.name, err)
		}
	}
	return worked, nil
}

// merge processes records of a task with several inputs, at most limit, until it is not known which is next. It returns
// how many were processed.
func (w *Worker) merge(t *task, limit int) (processed int, err error) {
	w.limitDirty(t)
	for processed < limit && !t.stores.Over() && !w.observer.halts() {
		in, until := t.aligned.Choose(false)
		if in == nil || !w.takes(t, in.Topic) {
			break
		}
		records := in.Run(until, limit-processed)
		t.flying = in.Topic
		n, failure := t.processRecords(in.Operator, in.Topic, records)
		if w.config.OnMerge != nil {
			w.config.OnMerge(in.TopicPartition, records[:n])
		}
		processed += n
		w.schedule.Processed(n)
		if n > 0 {
			w.search.Processed(in.TopicPartition, records[n-1].Offset)
		}
		if failure != nil && !gate.IsPressure(failure) {
			w.countFailed(failure, in.TopicPartition, records[n:])
			return processed, failure
		}
		t.input.Next[in.Topic] = t.aligned.Done(in, n, w.polls)
		if failure != nil {
			return processed, failure
		}
		if n < len(records) {
			break // enough for now
		}
	}
	return processed, nil
}

// mergeReady reports whether a task with several inputs can go on without being told anything new.
func (w *Worker) mergeReady() bool {
	for _, t := range w.tasks.merging {
		if in, _ := t.aligned.Choose(true); in != nil && w.takes(t, in.Topic) {
			return true
		}
	}
	return false
}

// untilStall cuts a waiting time so that no task waits for an input in vain.
func (w *Worker) untilStall(wait time.Duration) time.Duration {
	if len(w.tasks.merging) > 0 {
		wait = min(wait, aligned.StallCheck)
	}
	return wait
}

// buffer keeps a batch until its records are next.
func (w *Worker) buffer(t *task, b *broker.Batch) {
	topic := b.Topic
	t.input.Ends[topic] = b.EndOffset
	if position, moved := t.aligned.Buffer(b); moved && position != t.input.Next[topic] {
		t.input.Next[topic], t.changed = position, true
	}
}
