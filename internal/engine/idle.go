package engine

import (
	"time"

	"github.com/weirstreams/weir/operator"
)

// advanceIdle lets the event time of tasks go on whose input has been silent for Config.IdleTimeout: to the time of the
// clock less that timeout. What is written from now on, with the time of its writing, is not late then if it takes less
// than the timeout to arrive: so a replay, in which no input is silent, gives the same results.
func (w *Worker) advanceIdle() error {
	timeout := w.config.IdleTimeout
	if timeout <= 0 || w.resting() {
		return nil
	}
	now := w.config.Clock.Now()
	for _, t := range w.sortedTasks() {
		if t.state != running || len(t.env.Idle) == 0 {
			continue
		}
		if t.busy.IsZero() || t.lagging() {
			t.busy = now
		}
		if now.Sub(t.busy) < timeout {
			continue
		}
		t.busy = now
		if err := t.advance(now.Add(-timeout)); err != nil {
			return err
		}
	}
	return nil
}

// lagging reports whether there is input that was not processed.
func (t *task) lagging() bool {
	for topic, end := range t.ends {
		if t.positions[topic] < end {
			return true
		}
	}
	return false
}

// advance tells the operators that event time has gone on.
func (t *task) advance(to time.Time) error {
	millis := to.UnixMilli()
	err := t.call(func() error {
		for i := len(t.env.Idle) - 1; i >= 0; i-- { // those that feed others first
			if err := t.env.Idle[i](millis); err != nil {
				return err
			}
			if err := t.env.Settle(); err != nil { // before those behind are told
				return err
			}
		}
		return nil
	})
	t.changed = t.changed || t.dirtyBytes() > 0 || !t.env.Settled()
	return err
}

// beforeCheckpoint lets the operators emit what they hold back.
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

// call runs code of operators outside of the processing of a record. No policy can skip what goes wrong there.
func (t *task) call(f func() error) error {
	if failure := t.guard(func() error { return operator.Fatal(f()) }); failure != nil {
		return failure
	}
	return nil
}
