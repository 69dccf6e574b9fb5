package engine

import (
	"context"
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// fetchInput begins to fetch the input of a task at its positions, unless tasks rest.
func (w *Worker) fetchInput(ctx context.Context, t *task) error {
	for _, tp := range t.input.Partitions() {
		w.resetInput(t, tp, t.input.Next[tp.Topic])
	}
	if w.resting() {
		for _, tp := range t.input.Partitions() {
			w.fetcher.Stop(tp)
		}
		return nil
	}
	if t.stores.Emptying() {
		if _, err := w.TryCheckpoint(ctx); err != nil {
			return err
		}
	}
	for _, tp := range t.input.Partitions() {
		w.route[tp] = t
		w.fetcher.StartAfter(tp, t.input.Next[tp.Topic], t.input.LeaderEpoch(tp.Topic))
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
		t.aligned.Start(tp.Topic, position, t.input.Ends[tp.Topic], w.polls)
	}
}

func (w *Worker) pauseInput(paused bool) {
	for _, t := range w.tasks.all() {
		for _, tp := range t.input.Partitions() {
			switch {
			case paused && t.state != running: // it is not fetched yet, and might stay paused
			case paused:
				w.fetcher.Pause(tp)
			case t.aligned == nil || !t.aligned.Paused(tp.Topic):
				w.fetcher.Resume(tp)
			}
		}
	}
}

// poll asks the fetcher.
func (w *Worker) poll(ctx context.Context, wait time.Duration) (*broker.Batch, error) {
	w.polls++
	batch, err := w.fetcher.Poll(ctx, wait)
	if batch == nil && err == nil {
		w.quiet = w.polls
	}
	if batch != nil {
		if t := w.route[batch.TopicPartition]; t != nil && t.state == running {
			t.input.Fetched(batch)
		}
	}
	return batch, err
}

// look drains every batch that the fetcher has already received, so that no buffered record overtakes an earlier one.
// Every partition has its turn; later batches wait for the next look. It ends early when it meets a batch of a
// task with one input, which is processed first, and goes on with the next step.
func (w *Worker) look(ctx context.Context) error {
	for range len(w.route) {
		if w.current.batch != nil {
			break
		}
		batch, err := w.poll(ctx, 0)
		if err != nil {
			if err := w.explain(ctx, err); err != nil {
				return err
			}
			continue
		}
		if batch == nil {
			break
		}
		if err := w.take(ctx, batch); err != nil {
			return err
		}
	}
	for _, t := range w.tasks.merging {
		t.aligned.Polled(w.polls, w.quiet, len(w.route))
	}
	return nil
}
