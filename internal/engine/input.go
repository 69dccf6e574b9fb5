package engine

import (
	"context"

	"github.com/weirstreams/weir/internal/broker"
)

// fetchInput begins to fetch the input of a task at its positions, unless tasks rest.
func (w *Worker) fetchInput(ctx context.Context, t *task) error {
	for _, tp := range t.inputPartitions() {
		w.resetInput(t, tp, t.positions[tp.Topic])
	}
	if w.resting() {
		for _, tp := range t.inputPartitions() {
			w.fetcher.Stop(tp)
		}
		return nil
	}
	if t.emptying {
		if _, err := w.TryCheckpoint(ctx); err != nil {
			return err
		}
	}
	for _, tp := range t.inputPartitions() {
		w.route[tp] = t
		w.fetcher.Start(tp, t.positions[tp.Topic])
		if w.heldBack() {
			w.fetcher.Pause(tp)
		}
	}
	return nil
}

// startInput begins to read an input of a running task.
func (w *Worker) startInput(t *task, tp broker.TopicPartition, position int64) {
	w.resetInput(t, tp, position)
	w.fetcher.Start(tp, position)
}

// resetInput drops the held batches of an input that is to be read from position on.
func (w *Worker) resetInput(t *task, tp broker.TopicPartition, position int64) {
	if u := t.upstreams[tp.Topic]; u != nil {
		u.Pending = u.Pending[:0] // they are read again
	}
	if t.aligned != nil {
		in := t.aligned.input(tp.Topic)
		in.start(position)
		in.since = w.polls
		in.end = max(in.end, t.ends[tp.Topic])
		w.flow(in)
	}
}

func (w *Worker) pauseInput(paused bool) {
	for _, t := range w.sortedTasks() {
		for _, tp := range t.inputPartitions() {
			switch {
			case paused && t.state != running: // it is not fetched yet, and might stay paused
			case paused:
				w.fetcher.Pause(tp)
			case t.aligned == nil || !t.aligned.input(tp.Topic).paused:
				w.fetcher.Resume(tp)
			}
		}
	}
}
