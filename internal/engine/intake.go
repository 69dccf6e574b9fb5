package engine

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/aligned"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/engine/stores"
)

// intake is the way of fetched records to tasks: the input of running tasks, and changelogs of others. It owns the fetcher and the gate. Only
// the goroutine of the worker calls its methods, but for wake.
//
// It promises that a partition is fetched for one task at most, that nothing arrives for a task that was stopped, and that no input of
// a running task is fetched while the gate is closed.
type intake struct {
	config  *Config
	cluster broker.Cluster
	fetcher broker.Fetcher
	tasks   *taskSet
	gate    *gate.Gate
	// route maps fetched partitions to their tasks.
	route map[broker.TopicPartition]*task
	// polls counts the calls of the fetcher, quiet is the count of the last that brought nothing.
	polls, quiet int
	dozing       atomic.Bool // set while the worker may wait for records
}

// poll asks the fetcher.
func (in *intake) poll(ctx context.Context, wait time.Duration) (*broker.Batch, error) {
	in.polls++
	batch, err := in.fetcher.Poll(ctx, wait)
	if batch == nil && err == nil {
		in.quiet = in.polls
	}
	if batch != nil {
		if t := in.route[batch.TopicPartition]; t != nil && t.state == running {
			t.input.Fetched(batch)
		}
	}
	return batch, err
}

// wake makes the worker look at its sources and calls if it waits. It must not wake it else: the next look at the fetcher would
// find nothing, again and again while sources have records. Any goroutine may call it.
func (in *intake) wake() {
	if in.dozing.Load() {
		in.fetcher.Wake()
	}
}

// startChangelogs begins to fetch changelogs for a task.
func (in *intake) startChangelogs(t *task, fetches []stores.Fetch) {
	for _, f := range fetches {
		in.route[f.TopicPartition] = t
		in.fetcher.Start(f.TopicPartition, f.Position)
	}
}

// endChangelog ends the fetching of a changelog.
func (in *intake) endChangelog(tp broker.TopicPartition) {
	in.fetcher.Stop(tp)
	delete(in.route, tp)
}

// start begins to fetch the inputs of a running task at its positions. They are paused if the gate is closed.
func (in *intake) start(t *task) {
	for _, tp := range t.input.Partitions() {
		in.route[tp] = t
		in.fetcher.StartAfter(tp, t.input.Next[tp.Topic], t.input.LeaderEpoch(tp.Topic))
		if in.gate.Held() {
			in.fetcher.Pause(tp)
		}
	}
}

// startAt begins to fetch one input of a running task.
func (in *intake) startAt(t *task, tp broker.TopicPartition, position int64) {
	in.reset(t, tp, position)
	in.fetcher.Start(tp, position)
}

// rest stops the fetching of the inputs of a task, which stays the task that reads them.
func (in *intake) rest(t *task) {
	for _, tp := range t.input.Partitions() {
		in.fetcher.Stop(tp)
	}
}

// stop ends all fetching for a task.
func (in *intake) stop(t *task) {
	for tp, owner := range in.route {
		if owner == t {
			in.fetcher.Stop(tp)
			delete(in.route, tp)
		}
	}
}

// rewind drops the held batches of all inputs of a task, which are to be read from its positions on.
func (in *intake) rewind(t *task) {
	for _, tp := range t.input.Partitions() {
		in.reset(t, tp, t.input.Next[tp.Topic])
	}
}

// reset drops the held batches of an input that is to be read from position on.
func (in *intake) reset(t *task, tp broker.TopicPartition, position int64) {
	if u := t.upstreams[tp.Topic]; u != nil {
		u.Pending = u.Pending[:0] // they are read again
	}
	if t.aligned != nil {
		t.aligned.Start(tp.Topic, position, t.input.Ends[tp.Topic], in.polls)
	}
}

// holdBack closes the gate until the checkpoint can be tried again, because of an error that gate.IsPressure.
func (in *intake) holdBack(err error) {
	wait, _ := gate.Pressure(err)
	in.holdBackFor(wait, err)
}

// holdBackFor closes the gate for a time.
func (in *intake) holdBackFor(wait time.Duration, cause error) {
	in.gate.Hold(wait, cause)
	in.pause(true)
}

// goOn opens the gate.
func (in *intake) goOn() {
	if in.gate.Open() {
		in.pause(false)
	}
}

func (in *intake) pause(paused bool) {
	for _, t := range in.tasks.all() {
		for _, tp := range t.input.Partitions() {
			switch {
			case paused && t.state != running: // it is not fetched yet, and might stay paused
			case paused:
				in.fetcher.Pause(tp)
			case t.aligned == nil || !t.aligned.Paused(tp.Topic):
				in.fetcher.Resume(tp)
			}
		}
	}
}

// newMerge returns the merge of a task's inputs.
func (in *intake) newMerge(t *task) *aligned.Merge {
	var inputs []*aligned.Input
	for _, n := range t.part.ReadOrder() {
		topic := t.plan.Topic(n)
		if op := t.inputs[topic]; op != nil {
			tp := broker.TopicPartition{Topic: topic, Partition: t.id.Partition}
			inputs = append(inputs, &aligned.Input{TopicPartition: tp, Operator: op})
		}
	}
	return aligned.New(aligned.Config{
		Cluster: in.cluster, Fetcher: in.fetcher, Clock: in.config.Clock, Logger: t.env.Logger,
		MaxRecords: in.config.MaxBufferedRecords, MaxBytes: in.config.MaxBufferedBytes, Timeout: in.config.AlignTimeout,
		Ended: func(topic string, end int64, gone bool) {
			if gone {
				end = t.input.Next[topic]
			}
			t.input.Ends[topic] = end
		},
	}, inputs)
}

// polled tells the merging tasks how far the fetcher was asked.
func (in *intake) polled() {
	for _, t := range in.tasks.merging {
		t.aligned.Polled(in.polls, in.quiet, len(in.route))
	}
}
