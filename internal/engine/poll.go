package engine

import (
	"context"
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// poll asks the fetcher.
func (w *Worker) poll(ctx context.Context, wait time.Duration) (*broker.Batch, error) {
	w.polls++
	batch, err := w.fetcher.Poll(ctx, wait)
	if batch == nil && err == nil {
		w.quiet = w.polls
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
	for _, t := range w.alignedTasks {
		for _, in := range t.aligned.inputs {
			in.fresh = in.fresh || w.quiet > in.since || w.polls-in.since >= len(w.route)
		}
	}
	return nil
}
