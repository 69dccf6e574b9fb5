package engine

import (
	"time"

	"github.com/weirstreams/weir/internal/graph"
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
func (e *eventTime) paceInterval(timeout time.Duration) time.Duration {
	partitions := 0
	for i := range e.steps {
		if o := e.steps[i].output; o != nil {
			partitions += len(o.said)
		}
	}
	return min(timeout/pacesPerTimeout, max(shortestPace, time.Duration(partitions)*pacePerPartition))
}

// paced returns a function that reports whether the input of a node, by its number, comes through a repartition topic.
func (w *Worker) paced() func(node int) bool {
	if w.config.IdleTimeout <= 0 {
		return nil
	}
	return func(node int) bool { return behindRepartition(w.plan.Graph.Nodes[node]) }
}

func behindRepartition(n *graph.Node) bool {
	if n.Source != nil && n.Source.Repartition != nil {
		return true
	}
	for _, p := range n.Parents {
		if behindRepartition(p) {
			return true
		}
	}
	return false
}

// noteGreatest notes the greatest time of a batch of records.
func (e *eventTime) noteGreatest(topic string, millis int64) {
	for _, i := range e.sources {
		if s := &e.steps[i]; s.topic == topic {
			s.greatest[0] = max(s.greatest[0], millis)
		}
	}
}

// recent returns the greatest time of a record of an external source in this round and the one before, or noWatermark.
func (s *timeStep) recent() int64 { return max(s.greatest[0], s.greatest[1]) }

// recentOfAll returns that of all external input.
func (e *eventTime) recentOfAll() int64 {
	greatest := int64(noWatermark)
	for _, i := range e.sources {
		if s := &e.steps[i]; s.upstream == nil {
			greatest = max(greatest, s.recent())
		}
	}
	return greatest
}

// turnGreatest begins a round.
func (e *eventTime) turnGreatest() {
	for _, i := range e.sources {
		s := &e.steps[i]
		s.greatest = [2]int64{noWatermark, s.greatest[0]}
	}
}

// comeTo returns the pace of the input of a source. An external topic that is read to its end, as far as is known, holds no other
// back.
func (t *task) comeTo(s *timeStep) int64 {
	e := t.time
	if s.upstream != nil {
		return s.upstream.pace()
	}
	greatest := s.recent()
	if end, known := t.knownEnd(s.topic); known && t.positions[s.topic] >= end {
		greatest = e.recentOfAll()
	}
	return max(greatest, min(e.reached, e.current, e.last))
}

// knownEnd returns the end of an external input topic, as far as it is known.
func (t *task) knownEnd(topic string) (end int64, known bool) {
	end, known = t.ends[topic]
	if asked, ok := t.time.asked[topic]; ok {
		end, known = max(end, asked), true
	}
	return end, known
}

// passPace lets the pace of the input pass through the operators, from the sources on.
func (t *task) passPace() error {
	e := t.time
	t.env.Quiet = false
	for i := range e.steps {
		s := &e.steps[i]
		come, slack := int64(absent), int64(0)
		for _, p := range s.parents {
			come, slack = least(come, e.steps[p].pace), max(slack, e.steps[p].slack)
		}
		if s.topic != "" {
			if come = t.comeTo(s); s.upstream == nil {
				// Keys without records so far may begin with a record that is as old as this, and open a window there.
				slack = e.timeout.Milliseconds()
			}
		}
		s.pace, s.slack = come, slack
		if come == absent {
			continue
		}
		for _, f := range s.paces {
			if err := f(max(come, operator.UnknownPace)); err != nil {
				return err
			}
			if err := t.env.Settle(); err != nil { // before those behind are told
				return err
			}
		}
		if come == noWatermark {
			continue
		}
		for _, f := range s.holds {
			holds, err := f(come - slack)
			if err != nil {
				return err
			}
			if holds != noWatermark { // else nobody can wait for it
				s.pace = min(s.pace, holds)
			}
			s.slack = 0
		}
	}
	return nil
}

// keepPace passes the pace on if it has moved, and writes it to the repartition topics if that was not done lately.
func (t *task) keepPace(now time.Time) error {
	e := t.time
	due := (e.promises || e.mixed) && now.Sub(e.paceWritten) >= e.interval
	if !e.paceMoved && !(e.paceStale && due) {
		return nil
	}
	e.paceMoved = false
	err := t.call(t.passPace)
	if err == nil && due {
		err = t.writePace(now)
	}
	t.changed = t.changed || t.dirtyBytes() > 0 || !t.env.Settled()
	return err
}

// writePace writes the pace to the repartition topics where it is another one than was written last.
func (t *task) writePace(now time.Time) error {
	e := t.time
	e.paceStale = false
	if !e.promises {
		e.paceWritten = now
	}
	for i := range e.steps {
		s := &e.steps[i]
		if s.output == nil || s.pace == noWatermark || s.pace == absent {
			continue
		}
		wrote, err := s.output.keep(s.pace)
		if err != nil {
			return err
		}
		if wrote {
			t.changed, e.paceWritten = true, now
		}
	}
	return nil
}

// untilPace cuts a waiting time so that the paces of tasks are written in time.
func (w *Worker) untilPace(wait time.Duration) time.Duration {
	if w.config.IdleTimeout <= 0 {
		return wait
	}
	now := w.config.Clock.Now()
	for _, t := range w.tasks {
		if e := t.time; t.state == running && e != nil && e.paceStale && (e.promises || e.mixed) {
			wait = min(wait, e.paceWritten.Add(e.interval).Sub(now))
		}
	}
	return wait
}
