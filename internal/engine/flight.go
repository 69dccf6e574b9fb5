package engine

import (
	"context"
)

// Tasks with asynchronous operators have records in flight between two steps. A task waits for them in front of more input when
// its operators are full, in front of a record of another input, and in front of a checkpoint; the other tasks of the worker go on meanwhile.
// Such a task keeps fetched batches as one with several inputs does, see package aligned.

// flies reports whether a task has asynchronous operators.
func (t *task) flies() bool { return len(t.env.Flights) > 0 }

// landing makes settling the tasks wait for their calls, until the returned function is called.
func landing(tasks []*task, observer observer) (over func()) {
	for _, t := range tasks {
		t.env.Landing = true
	}
	return func() {
		for _, t := range tasks {
			t.env.Landing = observer.lands()
		}
	}
}

// InFlight reports whether records wait for calls of asynchronous operators.
func (w *Worker) InFlight() bool { return w.tasks.inFlight() }

// arrived reports whether results of calls can be handed on.
func (in *intake) arrived() bool { return !in.gate.Held() && in.tasks.arrived() }

// Land waits for all calls in flight and hands on their results. It reports whether there were any that input is not held back for.
func (w *Worker) Land(ctx context.Context) (landed bool, err error) {
	if w.intake.gate.Held() || !w.InFlight() {
		return false, nil
	}
	w.hurry.Enter(ctx)
	defer w.status.publish(w.tasks)
	tasks, observer := w.tasks.all(), w.processing.observer
	defer landing(tasks, observer)()
	for _, t := range tasks {
		if err := t.settle(); err != nil {
			return true, w.recoverFrom(ctx, err)
		}
		observer.note(t)
	}
	return true, nil
}

// handOnArrived hands on the results of calls.
func (p *processing) handOnArrived() error {
	for _, t := range p.agenda.tasks.merging {
		if !t.flies() || !t.env.Arrived() {
			continue
		}
		err := t.settle()
		p.observer.note(t)
		if err != nil {
			return err
		}
	}
	return nil
}
