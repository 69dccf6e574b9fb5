package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/eventtime"
	"github.com/weirstreams/weir/internal/engine/outbox"
	"github.com/weirstreams/weir/operator"
)

// halted reports whether enough outputs were made: the worker processes nothing more unless some turn out not to count.
func (w *Worker) halted() bool { return w.config.Outputs != nil && w.config.Outputs.Enough() }

// noteOutputs adds the outputs that a task has made since the last call to those that no checkpoint covers.
func (w *Worker) noteOutputs(t *task) {
	if n := t.env.Outputs; n > 0 && w.config.Outputs != nil {
		t.env.Outputs = 0
		t.outputs += n
		w.config.Outputs.Add(n)
	}
}

// countOutputs counts the outputs of a task, which a checkpoint covers now.
func (w *Worker) countOutputs(t *task) {
	w.noteOutputs(t)
	if t.outputs > 0 {
		w.config.Outputs.Count(t.outputs)
		t.outputs = 0
	}
}

// dropOutputs forgets the outputs of a task since the last checkpoint.
func (w *Worker) dropOutputs(t *task) {
	t.env.Outputs = 0
	if t.outputs > 0 {
		w.config.Outputs.Drop(t.outputs)
		t.outputs = 0
	}
}

// output returns where the records of a task for a topic go.
func (w *Worker) output(t *task, topic string) (operator.Output, error) {
	out, err := w.outbox.Topic(topic)
	if err != nil {
		return out, err
	}
	writer := w.repartitions[topic]
	switch {
	case isFeed(t.part) && slices.Contains(w.plan.InputTopics(), topic):
		return out, nil // an internal topic in all but name: its records are no outputs
	case writer == nil && w.config.Outputs != nil:
		return outbox.Counting(out, &t.env.Outputs), nil
	case writer != nil && w.config.IdleTimeout > 0 && eventtime.TimedBehind(w.plan.Graph, writer):
		now := func() int64 { return w.config.Clock.Now().UnixMilli() }
		t.promised[topic] = eventtime.NewOutput(out, t.id.Partition, func() changelog.Epoch { return t.assigned }, eventtime.UpstreamTasks(w.plan, w.topics.Partitions, writer), now, w.config.IdleTimeout.Milliseconds())
		return t.promised[topic], nil
	default:
		return out, nil
	}
}

// dynamicOutput returns the name on the cluster, and the output, of a topic that the function of a node has named. It looks the
// topic up at first use, and creates it if Config.Topics.Create is set. An error is that of the record, except if the
// cluster could not be asked.
func (w *Worker) dynamicOutput(
	ctx context.Context, t *task, node int, name string, template operator.TopicTemplate,
) (string, operator.Output, error) {
	topic, err := w.dynamic.Find(ctx, name, template)
	if err != nil {
		return topic, nil, err
	}
	out, err := w.output(t, topic)
	if err == nil {
		w.dynamic.Found(topic, w.plan.Graph.Nodes[node])
	}
	return topic, out, err
}

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
