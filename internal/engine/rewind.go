package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/engine/membership"
	"github.com/weirstreams/weir/internal/engine/refused"
)

// recoverFrom goes on after an error where that is possible: the partitions are gone, or a transaction cannot be
// committed. It returns the error otherwise.
func (w *Worker) recoverFrom(ctx context.Context, err error) error {
	again, isAgain := errors.AsType[*tryAgainError](err)
	switch {
	case errors.Is(err, membership.ErrTasksLost):
		w.config.Logger.Warn("partitions are gone", "error", err)
		return nil
	case gate.IsPressure(err):
		w.intake.holdBack(err)
		return nil
	case gate.IsOutage(err):
		return w.waitOut(ctx, err)
	case isAgain:
		return w.tryRecordAgain(ctx, again)
	case errors.As(err, new(*overtakenError)):
		overtaken, _ := errors.AsType[*overtakenError](err)
		w.config.Logger.Warn("opening a task anew", "cause", err)
		return w.reopen(overtaken.task)
	case refused.Is(err):
		return w.narrow(ctx, err)
	case w.tasks.damage() != nil:
		return w.heal(ctx, err)
	case refused.IsHopeless(err):
		return refused.Hopeless(err, w.plan, w.delivery.NodeOf)
	case !w.config.ExactlyOnce:
		return err
	case errors.Is(err, broker.ErrAborted), errors.Is(err, weir.ErrFenced):
		return w.rewind(ctx, err)
	case errors.Is(err, broker.ErrUndecided):
		return w.startOver(ctx, err)
	default:
		return err
	}
}

// startOver opens all tasks anew when it is not known whether the last checkpoint counts. The cluster knows: a new producer
// ends an open transaction of the old one, and the committed offsets can be read when that is done.
func (w *Worker) startOver(ctx context.Context, cause error) error {
	if err := w.membership.CountAbort(cause, w.group.Member()); err != nil {
		return err
	}
	w.config.Logger.Warn("going back to what is committed", "cause", cause)
	w.delivery.Drop()
	w.status.rewound(w.config.OnRewind)
	if w.config.ExactlyOnce {
		if err := w.delivery.Abort(ctx, cause); err != nil {
			return err
		}
	}
	w.agenda.schedule.Rewound()
	w.refusals.trace.wentBack()
	for _, t := range w.tasks.all() {
		if err := w.reopen(t); err != nil {
			return err
		}
	}
	return nil
}

// heal goes on after the database of a task was found to be damaged: all tasks go back to the last checkpoint, and the damaged ones
// restore their state from the changelogs.
func (w *Worker) heal(ctx context.Context, cause error) error {
	w.intake.goOn()
	return w.startOver(ctx, cause)
}

// rewind goes back to the last checkpoint: records processed since then do not count. Dirty state in memory is
// dropped, the databases are as they should be, and the input is read again.
func (w *Worker) rewind(ctx context.Context, cause error) error {
	if err := w.membership.CountAbort(cause, w.group.Member()); err != nil {
		return err
	}
	return w.goBack(ctx, cause)
}

// giveUp goes back to the last checkpoint after one that took too long. It does not do so for a transaction of unknown
// fate.
func (w *Worker) giveUp(ctx context.Context, cause error) error {
	if errors.Is(cause, broker.ErrUndecided) {
		return w.startOver(ctx, cause)
	}
	if !w.config.ExactlyOnce {
		// Records in the producer, changelog records among them, must not follow when the tasks belong to another member.
		if err := w.delivery.Replace(cause); err != nil {
			return err
		}
	}
	return w.rewind(ctx, cause)
}

// goBack is rewind for a cause that others count.
func (w *Worker) goBack(ctx context.Context, cause error) error {
	w.checkpoints.overlap.forget()
	w.config.Logger.Warn("going back to the last checkpoint", "cause", cause)
	w.delivery.Drop()
	w.status.rewound(w.config.OnRewind)
	w.refusals.failures.letters.Rewound()
	w.processing.drop()
	w.intake.goOn()
	if w.config.ExactlyOnce {
		if err := w.delivery.Abort(ctx, cause); err != nil {
			return err
		}
	}
	w.agenda.schedule.Rewound()
	w.refusals.trace.wentBack()
	for _, t := range w.tasks.all() {
		// At least once the changelogs may hold changes that do not count, and these have to be taken back.
		// Work that a sink has prepared since does not count: the sink removes it when the task is opened.
		if t.stores.Mending() || t.sinks.Prepared() || !w.config.ExactlyOnce && t.changed && t.stores.Logged() {
			if err := w.reopen(t); err != nil {
				return err
			}
			continue
		}
		t.changed = t.sinks.Committed()
		w.processing.observer.drop(t)
		for _, b := range t.env.Buffers {
			b.Discard()
		}
		t.sinks.Discard()
		t.stores.Discard()
		t.dropped = droppedPlace{}
		for _, f := range t.env.OnRewind {
			f()
		}
		w.restorer.unstarted = w.restorer.unstarted || t.unstarted()
		if t.state != running {
			continue
		}
		t.input.Rewind()
		t.forgetTime()
		if err := w.fetchInput(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// waitOut goes back to the last checkpoint after an error that gate.IsOutage, because a record may be half processed, and holds the input
// back for a while. It returns an error if the record has waited for too long.
func (w *Worker) waitOut(ctx context.Context, err error) error {
	wait, failure := w.intake.gate.BeginOutage(err, w.config.CodecTimeout)
	if failure != nil {
		return failure
	}
	if err := w.goBack(ctx, fmt.Errorf("%w: %w", broker.ErrAborted, err)); err != nil {
		return err
	}
	w.intake.holdBackFor(wait, err)
	return nil
}

// tryRecordAgain goes back to the last checkpoint, and holds the input back until a record is tried again.
func (w *Worker) tryRecordAgain(ctx context.Context, e *tryAgainError) error {
	w.refusals.failures.note(e, w.config.Clock.Now())
	if err := w.goBack(ctx, fmt.Errorf("%w: %w", broker.ErrAborted, e)); err != nil {
		return err
	}
	w.intake.holdBackFor(e.wait, e)
	return nil
}

// reopen opens a task anew, from its last checkpoint.
func (w *Worker) reopen(t *task) error {
	topics := t.input.Topics()
	if err := w.closeTask(t, false); err != nil {
		return err
	}
	return w.openWhole(t.env.Context, t.id, topics, t.assigned)
}
