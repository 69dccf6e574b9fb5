package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/offsets"
	"github.com/weirstreams/weir/operator"
)

// advanceIdle lets the event time of tasks go on after their input was silent for Config.IdleTimeout, and sends the watermarks
// of all tasks to the tasks behind them, once in each timeout.
//
// The operators behind a topic that others write have reached the time of the clock less the timeout, once everything is processed
// that was in the topic at that time of the clock: later records with the time of their writing are not late
// if they take less than the timeout to arrive. So a replay, without silent input, gives the same results. The operators behind
// an internal topic have reached the least watermark of the tasks that write it.
func (w *Worker) advanceIdle(ctx context.Context) error {
	timeout := w.config.IdleTimeout
	if timeout <= 0 || w.resting() {
		return nil
	}
	now := w.config.Clock.Now()
	var due []*task
	for _, t := range w.sortedTasks() {
		if t.state != running || t.time == nil || t.env.Blocked() {
			continue
		}
		if err := t.lookBack(now, timeout); err != nil {
			return err
		}
		if t.time.due(now, timeout) {
			due = append(due, t)
		} else if err := t.keepPace(now); err != nil {
			return err
		}
	}
	if len(due) == 0 {
		return nil
	}
	ends, err := w.inputEnds(ctx, due)
	if err != nil {
		return fmt.Errorf("look for the ends of silent input: %w", err)
	}
	for _, t := range due {
		if err := w.advanceTask(t, now, ends); err != nil {
			return err
		}
	}
	return nil
}

// lookBack takes note of the records processed since the last step.
func (t *task) lookBack(now time.Time, timeout time.Duration) error {
	e := t.time
	if e.quiet.IsZero() {
		e.quiet, e.turned = now, now
	}
	if t.busy {
		t.busy, e.quiet, e.paceStale = false, now, true
		e.current = min(e.current, t.env.LeastMillis)
		t.env.LeastMillis = absent
	}
	for _, i := range e.sources {
		s := &e.steps[i]
		u := s.upstream
		if u == nil || len(u.pending) == 0 {
			continue
		}
		before := u.pace()
		if u.pass(t.positions[s.topic], now, timeout) {
			reached := u.watermark()
			if u.pace() != before {
				e.paceMoved, e.paceStale = true, true
			}
			e.news = e.news || reached != noWatermark && (s.used == noWatermark || reached-s.used >= timeout.Milliseconds()/newsPerTimeout)
		}
	}
	return e.withdraw()
}

// newsPerTimeout is how often, at most, promises of tasks upstream let time go on within a timeout.
const newsPerTimeout = 4

// due reports whether event time may go on: after a timeout without records, after each further timeout, and when tasks
// upstream promise more then. Tasks behind get watermarks also while there are records.
func (e *eventTime) due(now time.Time, timeout time.Duration) bool {
	since := func(t time.Time) bool { return now.Sub(t) >= timeout }
	return since(e.quiet) && (since(e.quietTurned) || e.quietTurned.Before(e.quiet) || e.news) || e.promises && since(e.turned)
}

// inputEnds returns where the external input of tasks ends, or nil if the cluster does not say. Records of transactions that
// have not ended count: they are going to come. Partitions that do not exist any more are absent.
func (w *Worker) inputEnds(ctx context.Context, tasks []*task) (map[broker.TopicPartition]int64, error) {
	var tps []broker.TopicPartition
	for _, t := range tasks {
		tps = append(tps, t.externalInput()...)
	}
	if len(tps) == 0 {
		return nil, nil
	}
	ends, err := offsets.OfExisting(ctx, w.cluster, broker.Latest, tps)
	if errors.Is(err, weir.ErrUnavailable) {
		return nil, nil // nobody knows whether the input is silent
	}
	return ends, err
}

// advanceTask ends a round of a task.
func (w *Worker) advanceTask(t *task, now time.Time, all map[broker.TopicPartition]int64) error {
	e := t.time
	timeout := w.config.IdleTimeout
	quiet := now.Sub(e.quiet) >= timeout && !e.fed
	if len(e.external) > 0 {
		known := all != nil
		ends := &inputEnds{at: now, ends: map[string]int64{}}
		for _, tp := range t.externalInput() {
			ends.ends[tp.Topic] = all[tp] // 0 of a topic that was deleted: nothing more comes
		}
		if known {
			e.asked = ends.ends
		}
		if quiet && !(known && t.passed(ends)) {
			quiet, e.quiet = false, now // there is something to come
		}
		t.reach(ends, known, quiet, timeout)
	}
	if now.Sub(e.turned) >= timeout || quiet {
		e.turned = now
		t.env.Round++
		e.last, e.current = e.current, absent
		e.turnGreatest()
	}
	if quiet {
		e.quietTurned = now
	}
	e.news, e.paceMoved, e.paceStale = false, false, false
	err := t.call(func() error {
		if err := t.passPace(); err != nil {
			return err
		}
		if err := t.passTime(quiet); err != nil {
			return err
		}
		return t.passPace() // which silent keys do not hold back any more
	})
	if err == nil {
		var wrote bool
		if wrote, err = e.promise(); wrote {
			t.changed, e.paceWritten = true, now // so that it is flushed, and a transaction ends
		}
	}
	t.changed = t.changed || t.dirtyBytes() > 0 || !t.env.Settled()
	return err
}

// passed reports whether the task has processed its external input up to ends.
func (t *task) passed(ends *inputEnds) bool {
	for topic, end := range ends.ends {
		if t.positions[topic] < end {
			return false
		}
	}
	return true
}

// reach moves the time that the external input has reached. While records come it does not pass the least of the recent ones:
// where old ones are written again, more of them follow.
func (t *task) reach(ends *inputEnds, known, quiet bool, timeout time.Duration) {
	e := t.time
	to := e.reached
	switch {
	case known && t.passed(ends):
		to, e.ends = max(to, ends.at.Add(-timeout).UnixMilli()), nil
	case e.ends != nil && t.passed(e.ends):
		to, e.ends = max(to, e.ends.at.Add(-timeout).UnixMilli()), nil
	}
	if known && e.ends == nil && !t.passed(ends) {
		e.ends = ends
	}
	if recent := min(e.current, e.last); !quiet && recent != absent {
		// A record that comes within the timeout after its time is not older than this.
		recent = min(recent, e.recentOfAll()-timeout.Milliseconds())
		if to == noWatermark {
			to = recent
		}
		to = min(to, recent)
	}
	e.reached = to
}

// beforeCheckpoint lets the operators emit held-back results.
func (t *task) beforeCheckpoint() error {
	return t.call(func() error {
		for i := len(t.env.BeforeCheckpoint) - 1; i >= 0; i-- {
			if err := t.env.BeforeCheckpoint[i](); err != nil {
				return err
			}
			if err := t.env.Settle(); err != nil {
				return err
			}
		}
		return nil
	})
}

// call runs code of operators outside of the processing of a record. No policy can skip an error there.
func (t *task) call(f func() error) error {
	if failure := t.guard(func() error { return operator.Fatal(f()) }); failure != nil {
		return failure
	}
	return nil
}
