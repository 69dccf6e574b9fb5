package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine/outbox"
	"github.com/weirstreams/weir/internal/engine/refused"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// feeder lets the sources of tasks hand on their records. Only the goroutine of the worker calls its methods, and not while tasks rest.
//
// It promises that a source hands on nothing before its task runs, and that records count in the agenda before a checkpoint can cover them.
type feeder struct {
	tasks    *taskSet
	agenda   *agenda
	trace    *feedTrace
	delivery *outbox.Delivery
	status   *statusBoard
	clock    clock.Clock
}

// takeAll lets the sources of the tasks hand on records, and reports whether there was anything to do.
func (f *feeder) takeAll(ctx context.Context) (worked bool, err error) {
	for _, t := range f.tasks.all() {
		if !t.moves() {
			continue
		}
		for _, feed := range t.env.Feeds {
			if feed.Next() > f.clock.Now().UnixMilli() {
				continue
			}
			f.status.working.Store(true)
			began := f.clock.Now()
			moved, err := f.take(ctx, t, feed)
			f.status.busy.Add(int64(f.clock.Now().Sub(began)))
			f.status.working.Store(false)
			worked = worked || moved
			if err != nil {
				return worked, err
			}
		}
	}
	if worked && f.delivery.Pending() > 0 {
		err = f.delivery.SendDue(ctx)
	}
	return worked, err
}

// take lets one source hand on records. Those that fail are skipped if the policy says so.
func (f *feeder) take(ctx context.Context, t *task, feed operator.Feed) (worked bool, err error) {
	limit := f.agenda.room()
	t.env.LeftOut = f.trace.leftOut[t.id]
	var untaken error // by the cluster
	if f.trace.left > 0 {
		if err := f.delivery.Flush(ctx); err != nil { // so that a refusal behind a record is that of the record
			return true, err
		}
		limit = 1 // a batch then, as batches count as a whole
		t.env.AfterFed = func(r operator.FedRecord) error {
			untaken = f.delivery.Flush(ctx)
			if refused.Is(untaken) {
				f.trace.suspects(t, r)
			}
			return untaken
		}
		defer func() { t.env.AfterFed = nil }()
	}
	for err == nil {
		failure := t.guard(func() error { return feed.Take(limit) })
		if untaken != nil {
			err = untaken
			break
		}
		if failure == nil {
			err = feed.Err()
			break
		}
		if errors.Is(failure, codec.ErrOutage) {
			err = failure
			break
		}
		if err = t.judge(failure); err == nil {
			feed.Skip()
		}
	}
	records, worked := feed.Taken()
	f.agenda.schedule.Took(records)
	f.trace.took(records)
	t.processed += int64(records)
	t.changed = t.changed || records > 0 || t.stores.DirtyBytes() > 0
	return worked, err
}

// feedsFull reports whether a source of a task wants its positions to count.
func (t *task) feedsFull() bool {
	for _, f := range t.env.Feeds {
		if f.Full() {
			return true
		}
	}
	return false
}

// feedsCommitted tells the sources of a task that their positions count.
func (t *task) feedsCommitted() {
	for _, f := range t.env.Feeds {
		f.Committed()
	}
}

// feedsSettled reports whether the sources of a task have handed on all records that they have read.
func (t *task) feedsSettled() bool {
	for _, f := range t.env.Feeds {
		if !f.Settled() {
			return false
		}
	}
	return true
}

// stopFeeds tells the readers of some tasks to end, so that they do so at the same time.
func stopFeeds(tasks []*task) {
	for _, t := range tasks {
		for _, f := range t.env.Feeds {
			f.Stop()
		}
	}
}

// isFeed reports whether a part reads a source outside of Kafka.
func isFeed(part *graph.SubTopology) bool {
	return slices.ContainsFunc(part.Sources, func(n *graph.Node) bool { return n.Source.Slots > 0 })
}

// fed reports whether the topic of an input is written by a source of the application: then it is read from its beginning, whatever
// Config.OffsetReset says, or records would be lost that are written before the task begins.
func (t *task) fed(topic string) bool {
	for _, n := range t.part.Sources {
		if t.plan.Topic(n) == topic && (n.Source.Slots > 0 || n.Source.Fed) {
			return true
		}
	}
	return false
}
