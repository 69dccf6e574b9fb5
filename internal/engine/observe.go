package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/operator"
)

// observed reports whether somebody wants to hear of each record.
func (w *Worker) observed() bool { return w.config.OnProcessed != nil || w.config.Outputs != nil }

// observe tells of a record that was processed or skipped, and whether to process no more.
func (w *Worker) observe(t *task, r *broker.Record) (enough bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("OnProcessed: panic: %v", p)
		}
	}()
	w.noteOutputs(t)
	if f := w.config.OnProcessed; f != nil {
		f(weir.Origin{
			Topic: t.env.Origin.Topic, Partition: t.id.Partition, Offset: r.Offset, Size: len(r.Value), LeaderEpoch: r.LeaderEpoch,
		})
	}
	return w.halted(), nil
}

// countedOutput counts the records written to a topic.
type countedOutput struct {
	operator.Output
	count *int64
}

func (o countedOutput) Append(partition int32, r *broker.Record) error {
	*o.count++
	return o.Output.Append(partition, r)
}

// output returns where the records of a task for a topic go.
func (w *Worker) output(t *task, topic string) (operator.Output, error) {
	out, err := w.outbox.topic(topic)
	if err != nil {
		return out, err
	}
	writer := w.repartitions[topic]
	switch {
	case isFeed(t.part) && slices.Contains(w.inputs, topic):
		return out, nil // an internal topic in all but name: its records are no outputs
	case writer == nil && w.config.Outputs != nil:
		return countedOutput{out, &t.env.Outputs}, nil
	case writer != nil && w.config.IdleTimeout > 0 && timedBehind(w.plan.Graph, writer):
		now := func() int64 { return w.config.Clock.Now().UnixMilli() }
		t.promised[topic] = newPromisedOutput(out, t, w.upstreamTasks(writer), now, w.config.IdleTimeout.Milliseconds())
		return t.promised[topic], nil
	default:
		return out, nil
	}
}

// Working reports whether the worker is processing records right now. Any goroutine may call it.
func (w *Worker) Working() bool { return w.working.Load() }

// haltedWait is how long a worker that has had enough waits before it looks for jobs, which do not wake it.
const haltedWait = 10 * time.Millisecond

// stepHalted makes a checkpoint, as enough outputs were made, or waits. It processes nothing.
func (w *Worker) stepHalted(ctx context.Context, wait time.Duration) (worked bool, err error) {
	switch {
	case w.heldBack():
		if err := w.tryAgain(ctx); err != nil {
			return true, err
		}
	case w.Dirty() && !w.resting():
		return true, w.Checkpoint(ctx)
	}
	return false, w.pause(ctx, wait)
}

// pause waits without processing anything.
func (w *Worker) pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(min(wait, haltedWait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
