package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/eventtime"
	"github.com/weirstreams/weir/internal/engine/offsets"
)

// idleTime lets time go on for tasks beside their records: event time while input is silent, and timers by the clock. Only the goroutine of
// the worker calls its methods, and not while tasks rest.
//
// It promises that event time stands while the cluster does not say whether the input is silent.
type idleTime struct {
	config  *Config
	cluster broker.Cluster
	tasks   *taskSet
}

// advance lets the event time of tasks go on after their input was silent for Config.IdleTimeout, and sends the watermarks
// of all tasks to the tasks behind them, once in each timeout.
//
// The operators behind a topic that others write have reached the time of the clock less the timeout, once everything is processed
// that was in the topic at that time of the clock: later records with the time of their writing are not late
// if they take less than the timeout to arrive. So a replay, without silent input, gives the same results. The operators behind
// an internal topic have reached the least watermark of the tasks that write it.
func (i *idleTime) advance(ctx context.Context) error {
	timeout := i.config.IdleTimeout
	if timeout <= 0 {
		return nil
	}
	now := i.config.Clock.Now()
	var due []*task
	for _, t := range i.tasks.all() {
		if !t.moves() || t.time == nil || t.env.Blocked() {
			continue
		}
		if err := t.time.LookBack(now, t.tookRecords()); err != nil {
			return err
		}
		if t.time.Due(now) {
			due = append(due, t)
		} else if err := t.time.KeepPace(now); err != nil {
			return err
		}
	}
	if len(due) == 0 {
		return nil
	}
	ends, err := i.ends(ctx, due)
	if err != nil {
		return fmt.Errorf("look for the ends of silent input: %w", err)
	}
	for _, t := range due {
		if err := t.time.Advance(now, ends); err != nil {
			return err
		}
	}
	return nil
}

// ends returns where the external input of tasks ends, or nil if the cluster does not say. Records of transactions that
// have not ended count: they are going to come. Partitions that do not exist any more are absent.
func (i *idleTime) ends(ctx context.Context, tasks []*task) (map[broker.TopicPartition]int64, error) {
	var tps []broker.TopicPartition
	for _, t := range tasks {
		tps = append(tps, t.time.ExternalInput()...)
	}
	if len(tps) == 0 {
		return nil, nil
	}
	ends, err := offsets.OfExisting(ctx, i.cluster, broker.Latest, tps)
	if errors.Is(err, weir.ErrUnavailable) {
		return nil, nil // nobody knows whether the input is silent
	}
	return ends, err
}

// taskInput is an eventTask.
type taskInput struct{ *task }

// Reads implements eventtime.Task.
func (t taskInput) Reads(topic string) bool { return t.inputs[topic] != nil }

// Position implements eventtime.Task.
func (t taskInput) Position(topic string) int64 { return t.input.Next[topic] }

// End implements eventtime.Task.
func (t taskInput) End(topic string) (offset int64, known bool) {
	offset, known = t.input.Ends[topic]
	return offset, known
}

// Call implements eventtime.Task.
func (t taskInput) Call(f func() error) error { return t.call(f) }

// Touch implements eventtime.Task.
func (t taskInput) Touch() { t.changed = true }

// TouchIfChanged implements eventtime.Task.
func (t taskInput) TouchIfChanged() {
	t.changed = t.changed || t.stores.DirtyBytes() > 0 || !t.env.Settled()
}

// tookRecords reports whether the task has processed records since the last call.
func (t *task) tookRecords() bool {
	busy := t.busy
	t.busy = false
	return busy
}

// ring lets operators do due work by the time of the machine.
func (i *idleTime) ring() error {
	for _, t := range i.tasks.all() {
		if !t.moves() {
			continue
		}
		for _, c := range t.env.Clocks {
			now := i.config.Clock.Now().UnixMilli()
			if c.Next() > now {
				continue
			}
			err := t.call(func() error { return c.Ring(now) })
			if err == nil {
				err = t.settle()
			}
			t.changed = t.changed || t.stores.DirtyBytes() > 0 || !t.env.Settled()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// takeOutWatermarks takes the watermark records out of a batch of a task's input.
func (t *task) takeOutWatermarks(b *broker.Batch) error {
	u, internal := t.upstreams[b.Topic]
	if !internal {
		return nil
	}
	lower, err := u.TakeOut(b, t.time != nil)
	if err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	if lower {
		return t.call(t.time.PassPace)
	}
	return nil
}

// forgetTime is called when the task goes back to its last checkpoint.
func (t *task) forgetTime() {
	for _, u := range t.upstreams {
		u.Forget()
	}
	for _, o := range t.promised {
		o.Forget()
	}
	if t.time != nil {
		t.time.Forget()
		t.env.LeastMillis = eventtime.Absent
	}
}
