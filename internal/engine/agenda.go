package engine

import (
	"errors"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/membership"
	"github.com/weirstreams/weir/internal/engine/refused"
	"github.com/weirstreams/weir/internal/engine/schedule"
)

// agenda says when a checkpoint of the worker is due, and how many records are processed until then. It is told of all records that are
// processed, and makes no checkpoint by itself. Only the goroutine of the worker calls its methods.
//
// It promises that no checkpoint is due while tasks rest, and that one that is due by the clock alone waits for calls in flight and for the
// checkpoint before.
type agenda struct {
	schedule *schedule.Schedule
	// search seeks the record with output that the cluster refuses, and trace that of a source: both make checkpoints of few records.
	search     *refused.Search
	trace      *feedTrace
	tasks      *taskSet
	membership *membership.Watch
	// overlap is the checkpoint that is made while its tasks go on: the next one waits for it.
	overlap *overlap
	// most is how many bytes of state may change between checkpoints.
	most int64
}

// due reports whether it is time for a checkpoint.
func (a *agenda) due() bool {
	if a.membership.Rests() {
		return false
	}
	if a.schedule.Taken() == 0 {
		return a.tasks.dirty() && a.schedule.IntervalOver()
	}
	return a.schedule.IntervalOver() || a.pressing()
}

// pressing reports whether a checkpoint is due before its interval is over.
func (a *agenda) pressing() bool {
	if a.schedule.Taken() == 0 {
		return false
	}
	if a.schedule.RecordsOver(a.search.Limit()) || a.trace.left > 0 && a.trace.fed > 0 {
		return true
	}
	var dirty int64
	for _, t := range a.tasks.byID {
		if t.sinks.Full() || t.feedsFull() || t.parted {
			return true
		}
		dirty += t.stores.DirtyBytes()
	}
	return dirty >= a.most
}

// putsOff reports whether a checkpoint that is due by the clock is put off, because calls are in flight or the checkpoint before is still being
// made. One that cannot be put off waits for both, and the worker with it.
func (a *agenda) putsOff() bool { return !a.pressing() && (a.tasks.inFlight() || a.overlap.runs()) }

// until cuts a waiting time so that the next checkpoint is not late.
func (a *agenda) until(wait time.Duration) time.Duration {
	left := a.schedule.Left()
	if left <= 0 && a.putsOff() {
		return wait // the end of a call, or of the writes, wakes the worker
	}
	return min(wait, left)
}

// takes reports whether a task may process records of a topic now, and not when its calls have ended.
func (a *agenda) takes(t *task, topic string) bool {
	if !t.flies() {
		return true
	}
	if t.env.Full() || a.due() && (a.pressing() || !a.overlap.runs()) {
		return false
	}
	return t.flying == topic || !t.env.InFlight()
}

// mergeReady reports whether a task with several inputs can go on without being told anything new.
func (a *agenda) mergeReady() bool {
	for _, t := range a.tasks.merging {
		if in, _ := t.aligned.Choose(true); in != nil && a.takes(t, in.Topic) {
			return true
		}
	}
	return false
}

// room returns how many records may be processed before the next look at other work.
func (a *agenda) room() int { return a.schedule.Room(a.search.Limit()) }

// alone reports whether one record was processed that is to have a checkpoint of its own.
func (a *agenda) alone() bool { return a.search.Single() && a.schedule.Uncommitted() > 0 }

// processed counts the last n of the records of a partition that were processed.
func (a *agenda) processed(tp broker.TopicPartition, records []broker.Record, n int) {
	a.schedule.Processed(n)
	if len(records) > 0 {
		a.search.Processed(tp, records[len(records)-1].Offset)
	}
}

// failed counts the record that was being processed when something was refused: the first of records, as far as err says so.
func (a *agenda) failed(err error, tp broker.TopicPartition, records []broker.Record) {
	failure, ok := errors.AsType[*weir.ProcessingError](err)
	if ok && len(records) > 0 && failure.Topic == tp.Topic && failure.Offset == records[0].Offset {
		a.processed(tp, records[:1], 1)
	}
}

// limitDirty lets a task change state until that of all tasks of the worker comes to the most.
func (a *agenda) limitDirty(t *task) {
	t.parted = false
	others := int64(0)
	if t.stores.Any() {
		for _, o := range a.tasks.byID {
			if o != t {
				others += o.stores.DirtyBytes()
			}
		}
	}
	t.stores.Limit(a.most - others)
}
