package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

const (
	// stallCheck is how long a task waits for one of its inputs before it asks the cluster whether there is anything to
	// wait for, and how often it asks again.
	stallCheck = time.Second
	// stallWarning is how long it waits before the log says so.
	stallWarning = 30 * time.Second
)

// mergeAll lets the tasks with several inputs process their next records, and reports whether there was anything.
func (w *Worker) mergeAll(ctx context.Context) (worked bool, err error) {
	if len(w.alignedTasks) == 0 {
		return false, nil
	}
	if err := w.look(ctx); err != nil {
		return false, err
	}
	for _, t := range w.alignedTasks {
		if w.halted() || w.due() && !w.waitsForCalls() {
			return worked, nil // the step makes the checkpoint
		}
		began := w.config.Clock.Now()
		n, err := w.merge(t, w.room())
		worked = worked || n > 0
		w.records += n
		if err != nil {
			return worked, err
		}
		if n > 0 {
			w.adjustPace(n, w.config.Clock.Now().Sub(began))
			t.aligned.stalled = time.Time{}
		}
	}
	if worked && w.config.Clock.Now().Sub(w.lastSend) >= w.config.Linger {
		if err := w.send(ctx); err != nil {
			return true, err
		}
	}
	for _, t := range w.alignedTasks {
		if lost := t.aligned.lostInput(); lost != nil {
			return true, w.explain(ctx, lost) // which may open tasks anew
		}
		if err := w.stall(ctx, t); err != nil {
			return worked, err
		}
	}
	return worked, nil
}

// lostInput returns the error that the fetcher reported for an input without held batches.
func (a *aligned) lostInput() error {
	for _, in := range a.inputs {
		if in.lost != nil && len(in.buffered) == 0 {
			return in.lost
		}
	}
	return nil
}

// ready reports whether a task with several inputs can go on without being told anything new.
func (w *Worker) ready() bool {
	for _, t := range w.alignedTasks {
		if in, _ := t.aligned.choose(true); in != nil && w.takes(t, in.Topic) {
			return true
		}
	}
	return false
}

// stall looks after a task that holds records but does not know which is next, because there should be more to read of an
// input and nothing comes. The end may have moved back, or the topic may be gone: the cluster knows.
func (w *Worker) stall(ctx context.Context, t *task) error {
	a := t.aligned
	waiting := a.waitingFor()
	now := w.config.Clock.Now()
	switch {
	case len(waiting) == 0:
		a.stalled, a.warned = time.Time{}, false
		return nil
	case a.stalled.IsZero():
		a.stalled, a.asked = now, now
		return nil
	}
	if now.Sub(a.stalled) >= stallWarning && !a.warned {
		a.warned = true
		t.env.Logger.Warn("waiting for records of an input that should be there, because they may be older than those at hand",
			"input", waiting[0].TopicPartition, "position", waiting[0].next, "end", waiting[0].end)
	}
	if timeout := w.config.AlignTimeout; timeout > 0 && now.Sub(a.stalled) >= timeout {
		for _, in := range waiting {
			t.env.Logger.Warn("going on without an input of which nothing comes; what comes of it later is out of order",
				"input", in.TopicPartition, "position", in.next, "end", in.end)
			in.end = in.next
		}
		a.stalled = time.Time{}
		return nil
	}
	if now.Sub(a.asked) < stallCheck {
		return nil
	}
	a.asked = now
	for _, in := range waiting {
		ends, err := w.cluster.Offsets(ctx, broker.End, in.TopicPartition)
		switch {
		case err == nil:
			in.end = ends[in.TopicPartition]
			t.ends[in.Topic] = in.end
		case errors.Is(err, weir.ErrUnknownTopic):
			in.gone = true
			t.ends[in.Topic] = t.positions[in.Topic]
			t.env.Logger.Warn("a topic of the input does not exist any more; going on without it", "input", in.TopicPartition)
		case errors.Is(err, weir.ErrUnavailable):
		default:
			return fmt.Errorf("task %s: %w", t.name, err)
		}
	}
	return nil
}

// waitingFor returns the inputs without which it is not known which record is next, if any are held.
func (a *aligned) waitingFor() (waiting []*alignedInput) {
	holding := false
	for _, in := range a.inputs {
		switch {
		case len(in.buffered) > 0:
			holding = true
		case !in.idle():
			waiting = append(waiting, in)
		}
	}
	if !holding {
		return nil
	}
	return waiting
}
