package eventtime

import (
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// LookBack takes note of the records processed since the last step: busy says whether there were any.
func (e *Time) LookBack(now time.Time, busy bool) error {
	if e.quiet.IsZero() {
		e.quiet, e.turned = now, now
	}
	if busy {
		e.quiet, e.paceStale = now, true
		e.current = min(e.current, e.env.LeastMillis)
		e.env.LeastMillis = Absent
	}
	for _, i := range e.sources {
		s := &e.steps[i]
		u := s.upstream
		if u == nil || len(u.Pending) == 0 {
			continue
		}
		before := u.pace()
		if u.pass(e.task.Position(s.topic), now, e.timeout) {
			reached := u.watermark()
			if u.pace() != before {
				e.paceMoved, e.paceStale = true, true
			}
			e.news = e.news || reached != NoWatermark && (s.used == NoWatermark || reached-s.used >= e.timeout.Milliseconds()/newsPerTimeout)
		}
	}
	return e.withdraw()
}

// newsPerTimeout is how often, at most, promises of tasks upstream let time go on within a timeout.
const newsPerTimeout = 4

// Due reports whether event time may go on: after a timeout without records, after each further timeout, and when tasks
// upstream promise more then. Tasks behind get watermarks also while there are records.
func (e *Time) Due(now time.Time) bool {
	since := func(t time.Time) bool { return now.Sub(t) >= e.timeout }
	return since(e.quiet) && (since(e.quietTurned) || e.quietTurned.Before(e.quiet) || e.news) || e.promises && since(e.turned)
}

// Advance ends a round of the task. all are the ends of external input, nil if the cluster does not tell them.
func (e *Time) Advance(now time.Time, all map[broker.TopicPartition]int64) error {
	timeout := e.timeout
	quiet := now.Sub(e.quiet) >= timeout && !e.fed
	if len(e.external) > 0 {
		known := all != nil
		ends := &inputEnds{at: now, ends: map[string]int64{}}
		for _, tp := range e.ExternalInput() {
			ends.ends[tp.Topic] = all[tp] // 0 of a topic that was deleted: nothing more comes
		}
		if known {
			e.asked = ends.ends
		}
		if quiet && !(known && e.passed(ends)) {
			quiet, e.quiet = false, now // there is something to come
		}
		if !e.fed {
			e.reach(ends, known, quiet, timeout)
		}
	}
	if now.Sub(e.turned) >= timeout || quiet {
		e.turned = now
		e.env.Round++
		e.last, e.current = e.current, Absent
		e.turnGreatest()
	}
	if quiet || e.fed { // one round in each timeout, as the round of a fed task goes no further in the next moment
		e.quietTurned = now
	}
	e.news, e.paceMoved, e.paceStale = false, false, false
	err := e.task.Call(func() error {
		if err := e.PassPace(); err != nil {
			return err
		}
		if err := e.passTime(quiet); err != nil {
			return err
		}
		return e.PassPace() // which silent keys do not hold back any more
	})
	if err == nil {
		var wrote bool
		if wrote, err = e.promise(); wrote {
			e.task.Touch()
			e.paceWritten = now // so that it is flushed, and a transaction ends
		}
	}
	e.task.TouchIfChanged()
	return err
}

// passed reports whether the task has processed its external input up to ends.
func (e *Time) passed(ends *inputEnds) bool {
	for topic, end := range ends.ends {
		if e.task.Position(topic) < end {
			return false
		}
	}
	return true
}

// reach moves the time that the external input has reached. While records come it does not pass the least of the recent ones:
// where old ones are written again, more of them follow.
func (e *Time) reach(ends *inputEnds, known, quiet bool, timeout time.Duration) {
	to := e.reached
	switch {
	case known && e.passed(ends):
		to, e.ends = max(to, ends.at.Add(-timeout).UnixMilli()), nil
	case e.ends != nil && e.passed(e.ends):
		to, e.ends = max(to, e.ends.at.Add(-timeout).UnixMilli()), nil
	}
	if known && e.ends == nil && !e.passed(ends) {
		e.ends = ends
	}
	if recent := min(e.current, e.last); !quiet && recent != Absent {
		// A record that comes within the timeout after its time is not older than this.
		recent = min(recent, e.recentOfAll()-timeout.Milliseconds())
		if to == NoWatermark {
			to = recent
		}
		to = min(to, recent)
	}
	e.reached = to
}
