package engine

import "time"

// untilClock cuts a waiting time so that clock timers are not late.
func (w *Worker) untilClock(wait time.Duration) time.Duration {
	for _, t := range w.tasks {
		if t.state != running {
			continue
		}
		for _, c := range t.env.Clocks {
			now := w.config.Clock.Now().UnixMilli()
			switch next := c.Next(); {
			case next <= now:
				return 0
			case next-now < wait.Milliseconds():
				wait = time.Duration(next-now) * time.Millisecond
			}
		}
	}
	return wait
}

// ringClocks lets operators do due work by the time of the machine.
func (w *Worker) ringClocks() error {
	if w.resting() {
		return nil
	}
	for _, t := range w.sortedTasks() {
		if t.state != running {
			continue
		}
		for _, c := range t.env.Clocks {
			now := w.config.Clock.Now().UnixMilli()
			if c.Next() > now {
				continue
			}
			err := t.call(func() error { return c.Ring(now) })
			if err == nil {
				err = t.settle(w.onError)
			}
			t.changed = t.changed || t.stores.DirtyBytes() > 0 || !t.env.Settled()
			if err != nil {
				return err
			}
		}
	}
	return nil
}
