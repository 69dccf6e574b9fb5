package eventtime

import (
	"time"

	"github.com/weirstreams/weir/operator"
)

// The pace of a task is a time: the task has processed its input up to it, and has emitted the results. A watermark promises more,
// that no older record comes at all, so it is behind the pace. Behind a repartition topic, the least pace of the tasks in front
// bounds the event time that closes windows: see operator.Env.OnPace.
//
// Pace passes through the operators as watermarks do. It is written with them, and more often: soon after records have moved it.

const (
	// pacesPerTimeout is how often, at least, a task with records writes its pace within a timeout.
	pacesPerTimeout = 4
	// shortestPace and pacePerPartition bound the number of records that this takes: at most 1 in so long a time, for each
	// partition of the topic.
	shortestPace     = 100 * time.Millisecond
	pacePerPartition = 10 * time.Millisecond
)

// paceInterval returns the time between two records with the pace of a task.
func (e *Time) paceInterval(timeout time.Duration) time.Duration {
	partitions := 0
	for i := range e.steps {
		if o := e.steps[i].output; o != nil {
			partitions += len(o.said)
		}
	}
	return min(timeout/pacesPerTimeout, max(shortestPace, time.Duration(partitions)*pacePerPartition))
}

// NoteGreatest notes the greatest time of a batch of records.
func (e *Time) NoteGreatest(topic string, millis int64) {
	for _, i := range e.sources {
		if s := &e.steps[i]; s.topic == topic {
			s.greatest[0] = max(s.greatest[0], millis)
		}
	}
}

// recent returns the greatest time of a record of an external source in this round and the one before, or noWatermark.
func (s *timeStep) recent() int64 { return max(s.greatest[0], s.greatest[1]) }

// recentOfAll returns that of all external input.
func (e *Time) recentOfAll() int64 {
	greatest := int64(NoWatermark)
	for _, i := range e.sources {
		if s := &e.steps[i]; s.upstream == nil {
			greatest = max(greatest, s.recent())
		}
	}
	return greatest
}

// turnGreatest begins a round.
func (e *Time) turnGreatest() {
	for _, i := range e.sources {
		s := &e.steps[i]
		s.greatest = [2]int64{NoWatermark, s.greatest[0]}
	}
}

// comeTo returns the pace of the input of a source. An external topic that is read to its end, as far as is known, holds no other
// back.
func (e *Time) comeTo(s *timeStep) int64 {
	if s.upstream != nil {
		return s.upstream.pace()
	}
	greatest := s.recent()
	if end, known := e.knownEnd(s.topic); known && e.task.Position(s.topic) >= end {
		greatest = e.recentOfAll()
	}
	return max(greatest, min(e.reached, e.current, e.last))
}

// knownEnd returns the end of an external input topic, as far as it is known.
func (e *Time) knownEnd(topic string) (end int64, known bool) {
	end, known = e.task.End(topic)
	if asked, ok := e.asked[topic]; ok {
		end, known = max(end, asked), true
	}
	return end, known
}

// PassPace lets the pace of the input pass through the operators, from the sources on.
func (e *Time) PassPace() error {
	e.env.Quiet = false
	for i := range e.steps {
		s := &e.steps[i]
		come, slack := int64(Absent), int64(0)
		for _, p := range s.parents {
			come, slack = least(come, e.steps[p].pace), max(slack, e.steps[p].slack)
		}
		if s.topic != "" {
			if come = e.comeTo(s); s.upstream == nil {
				// Keys without records so far may begin with a record that is as old as this, and open a window there.
				slack = e.timeout.Milliseconds()
			}
		}
		s.pace, s.slack = come, slack
		if come == Absent {
			continue
		}
		if err := e.tell(s.paces, max(come, operator.UnknownPace)); err != nil {
			return err
		}
		if come == NoWatermark {
			continue
		}
		for _, f := range s.holds {
			holds, err := f(come - slack)
			if err != nil {
				return err
			}
			if holds != NoWatermark { // else nobody can wait for it
				s.pace = min(s.pace, holds)
			}
			s.slack = 0
		}
	}
	return nil
}

// KeepPace passes the pace on if it has moved, and writes it to the repartition topics if that was not done lately.
func (e *Time) KeepPace(now time.Time) error {
	due := (e.promises || e.mixed) && now.Sub(e.paceWritten) >= e.interval
	if !e.paceMoved && !(e.paceStale && due) {
		return nil
	}
	e.paceMoved = false
	err := e.task.Call(e.PassPace)
	if err == nil && due {
		err = e.writePace(now)
	}
	e.task.TouchIfChanged()
	return err
}

// writePace writes the pace to the repartition topics where it is another one than was written last.
func (e *Time) writePace(now time.Time) error {
	e.paceStale = false
	if !e.promises {
		e.paceWritten = now
	}
	for i := range e.steps {
		s := &e.steps[i]
		if s.output == nil || s.pace == NoWatermark || s.pace == Absent {
			continue
		}
		wrote, err := s.output.keep(s.pace)
		if err != nil {
			return err
		}
		if wrote {
			e.task.Touch()
			e.paceWritten = now
		}
	}
	return nil
}

// UntilPace cuts a waiting time so that the pace is written in time.
func (e *Time) UntilPace(wait time.Duration, now time.Time) time.Duration {
	if e.paceStale && (e.promises || e.mixed) {
		wait = min(wait, e.paceWritten.Add(e.interval).Sub(now))
	}
	return wait
}
