package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/aligned"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/engine/offsets"
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
	pauses  *pauses
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
			case !t.moves(): // it is not fetched, and might stay paused
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
			inputs = append(inputs, &aligned.Input{TopicPartition: tp, Operator: op, Outside: !n.Source.Internal()})
		}
	}
	return aligned.New(aligned.Config{
		Cluster: in.cluster, Fetcher: in.fetcher, Clock: in.config.Clock, Logger: t.env.Logger,
		MaxRecords: in.config.MaxBufferedRecords, MaxBytes: in.config.MaxBufferedBytes, Timeout: in.config.AlignTimeout,
		Draining: in.config.Pauses.Draining,
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

// pauses lets tasks stand still that the user has paused, and go on later. Only the goroutine of the worker calls its methods.
//
// It promises that a task stands still with a checkpoint of everything that it has done, so that no transaction holds anything of it.
type pauses struct {
	intake     *intake
	processing *processing
	agenda     *agenda
	status     *statusBoard
	checkpoint func(context.Context) error
	fetch      func(context.Context, *task) error
	// applied is the version of Config.Pauses that all tasks have acted on. asked is when the cluster was asked last for the ends of inputs
	// that nobody fetches.
	applied int64
	asked   time.Time
}

// endsInterval is how often the cluster is asked for the ends of the inputs of paused tasks: nothing that is fetched tells them.
const endsInterval = 10 * time.Second

// apply acts on a change of Config.Pauses. While input is held back, or tasks rest, it waits: nothing is processed then anyway.
func (p *pauses) apply(ctx context.Context) error {
	wanted := p.intake.config.Pauses
	if version := wanted.Version(); version != p.applied && !p.intake.gate.Held() && !p.agenda.membership.Rests() {
		pausing := func(t *task) bool { return t.moves() && wanted.Paused(t.id.Part) }
		if p.intake.tasks.any(func(t *task) bool { return pausing(t) && (t.changed || p.agenda.overlap.runs()) }) {
			if err := p.checkpoint(ctx); err != nil {
				return err
			}
		}
		for _, t := range p.intake.tasks.all() {
			switch {
			case pausing(t):
				p.pause(t)
			case t.paused && !wanted.Paused(t.id.Part):
				if err := p.fetch(ctx, t); err != nil {
					return err
				}
			}
		}
		p.applied = version
		p.status.pauses.Store(version)
	}
	return p.lookForEnds(ctx)
}

// pause lets a task stand still that has a checkpoint.
func (p *pauses) pause(t *task) {
	if p.processing.current.task == t {
		p.processing.drop()
	}
	t.paused = true
	p.intake.rest(t)
	p.intake.rewind(t)
	p.intake.gate.ForgetOutages(t.input.Partitions())
}

// lookForEnds asks the cluster now and then where the inputs of paused tasks end, for their lag.
func (p *pauses) lookForEnds(ctx context.Context) error {
	if p.applied == 0 {
		return nil
	}
	now := p.intake.config.Clock.Now()
	if now.Sub(p.asked) < endsInterval {
		return nil
	}
	p.asked = now
	for _, t := range p.intake.tasks.all() {
		if !t.paused {
			continue
		}
		ends, err := offsets.OfExisting(ctx, p.intake.cluster, broker.End, t.input.Partitions())
		if err != nil && !errors.Is(err, weir.ErrUnavailable) {
			return fmt.Errorf("task %s: look for the ends of paused input: %w", t.name, err)
		}
		for tp, end := range ends {
			t.input.Ends[tp.Topic] = end
		}
	}
	return nil
}
