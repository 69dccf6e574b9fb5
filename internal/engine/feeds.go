package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// wakeIfDozing makes the worker look at its sources and calls if it waits. It must not wake it else: the next look at the fetcher would
// find nothing, again and again while sources have records. Any goroutine may call it.
func (w *Worker) wakeIfDozing() {
	if w.dozing.Load() {
		w.fetcher.Wake()
	}
}

// takeFeeds lets the sources of the tasks hand on records, and reports whether there was anything to do.
func (w *Worker) takeFeeds(ctx context.Context) (worked bool, err error) {
	for _, t := range w.tasks.all() {
		if t.state != running {
			continue
		}
		for _, f := range t.env.Feeds {
			if f.Next() > w.config.Clock.Now().UnixMilli() {
				continue
			}
			w.status.working.Store(true)
			moved, err := w.takeFeed(ctx, t, f)
			w.status.working.Store(false)
			worked = worked || moved
			if err != nil {
				return worked, err
			}
		}
	}
	if worked && w.delivery.Pending() > 0 {
		err = w.delivery.SendDue(ctx)
	}
	return worked, err
}

// takeFeed lets one source hand on records. Those that fail are skipped if the policy says so.
func (w *Worker) takeFeed(ctx context.Context, t *task, f operator.Feed) (worked bool, err error) {
	limit := w.schedule.Room(w.search.Limit())
	t.env.LeftOut = w.trace.leftOut[t.id]
	var untaken error // by the cluster
	if w.trace.left > 0 {
		if err := w.delivery.Flush(ctx); err != nil { // so that a refusal behind a record is that of the record
			return true, err
		}
		limit = 1 // a batch then, as batches count as a whole
		t.env.AfterFed = func(r operator.FedRecord) error { untaken = w.awaitFed(ctx, t, r); return untaken }
		defer func() { t.env.AfterFed = nil }()
	}
	for err == nil {
		failure := t.guard(func() error { return f.Take(limit) })
		if untaken != nil {
			err = untaken
			break
		}
		if failure == nil {
			err = f.Err()
			break
		}
		if errors.Is(failure, codec.ErrOutage) {
			err = failure
			break
		}
		if err = t.judge(failure); err == nil {
			f.Skip()
		}
	}
	records, worked := f.Taken()
	w.schedule.Took(records)
	w.trace.took(records)
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
func (w *Worker) fed(t *task, topic string) bool {
	for _, n := range t.part.Sources {
		if w.plan.Topic(n) == topic && (n.Source.Slots > 0 || n.Source.Fed) {
			return true
		}
	}
	return false
}
