package engine

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir/internal/broker"
)

// take accepts a fetched batch, nil included: input is held, records of a changelog are applied.
func (w *Worker) take(ctx context.Context, batch *broker.Batch) error {
	if batch == nil {
		return nil
	}
	t := w.intake.route[batch.TopicPartition]
	switch {
	case t == nil:
		batch.Release()
		return nil
	case t.state == restoring:
		defer batch.Release()
		return w.restorer.apply(ctx, t, batch)
	}
	if err := t.takeOutWatermarks(batch); err != nil {
		batch.Release()
		return err
	}
	if t.aligned != nil {
		t.buffer(batch)
	} else {
		w.processing.begin(batch, t)
	}
	return nil
}

// buffer keeps a batch until its records are next.
func (t *task) buffer(b *broker.Batch) {
	topic := b.Topic
	t.input.Ends[topic] = b.EndOffset
	if position, moved := t.aligned.Buffer(b); moved && position != t.input.Next[topic] {
		t.input.Next[topic], t.changed = position, true
	}
}

// mergeAll lets the tasks with several inputs process their next records, and reports whether there was anything.
func (w *Worker) mergeAll(ctx context.Context) (worked bool, err error) {
	if len(w.tasks.merging) == 0 {
		return false, nil
	}
	if err := w.look(ctx); err != nil {
		return false, err
	}
	for _, t := range w.tasks.merging {
		if w.processing.observer.halts() || w.agenda.due() && !w.agenda.putsOff() {
			return worked, nil // the step makes the checkpoint
		}
		n, err := w.processing.merge(t, w.intake.polls)
		worked = worked || n > 0
		if err != nil {
			return worked, err
		}
	}
	if worked {
		if err := w.delivery.SendDue(ctx); err != nil {
			return true, err
		}
	}
	for _, t := range w.tasks.merging {
		if lost := t.aligned.Lost(); lost != nil {
			return true, w.explain(ctx, lost) // which may open tasks anew
		}
		if err := t.aligned.Stall(ctx); err != nil {
			return worked, fmt.Errorf("task %s: %w", t.name, err)
		}
	}
	return worked, nil
}

// look drains every batch that the fetcher has already received, so that no buffered record overtakes an earlier one.
// Every partition has its turn; later batches wait for the next look. It ends early when it meets a batch of a
// task with one input, which is processed first, and goes on with the next step.
func (w *Worker) look(ctx context.Context) error {
	for range len(w.intake.route) {
		if w.processing.current.batch != nil {
			break
		}
		batch, err := w.intake.poll(ctx, 0)
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
	w.intake.polled()
	return nil
}
