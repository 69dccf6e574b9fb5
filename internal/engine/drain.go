package engine

import (
	"context"
	"errors"
	"time"

	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// full reports whether a sink of the task would like to be flushed, or a source wants its positions to count.
func (t *task) full() bool {
	for _, d := range t.env.Drains {
		if d.Full() {
			return true
		}
	}
	for _, f := range t.env.Feeds {
		if f.Full() {
			return true
		}
	}
	return false
}

// discard forgets unwritten records of the sinks, and the records in buffers.
func (t *task) discard() {
	for _, b := range t.env.Buffers {
		b.Discard()
	}
	for _, d := range t.env.Drains {
		d.Discard()
	}
}

// closeDrains closes the writers of the task.
func (t *task) closeDrains() error {
	var failed []error
	for _, d := range t.env.Drains {
		if err := d.Close(); err != nil {
			failed = append(failed, graph.ExternalError(t.plan.Graph.Nodes[d.Node], "close the writer", err))
		}
	}
	t.env.Drains = nil
	return errors.Join(failed...)
}

// isBackpressure reports whether a sink or a lookup has asked for time.
func isBackpressure(err error) bool {
	_, ok := pressure(err)
	return ok
}

// pressure returns the time that a sink or a lookup has asked for.
func pressure(err error) (wait time.Duration, ok bool) {
	if e, ok := errors.AsType[*operator.UnsettledError](err); ok {
		return e.Wait(), true
	}
	return 0, false
}

// holdBack stops all input of the worker until the checkpoint can be tried again, because of an error that isBackpressure.
func (w *Worker) holdBack(err error) {
	wait, _ := pressure(err)
	w.holdBackFor(wait, err)
}

// holdBackFor stops all input of the worker for a time. The log says so once, and now and then while it lasts.
func (w *Worker) holdBackFor(wait time.Duration, cause error) {
	now := w.config.Clock.Now()
	if w.heldBackSince.IsZero() {
		w.heldBackSince, w.heldBackWarned = now, now.Add(-heldBackWarning)
	}
	if now.Sub(w.heldBackWarned) >= heldBackWarning {
		w.heldBackWarned = now
		w.config.Logger.Warn("input is held back", "wait", wait, "since", w.heldBackSince, "cause", cause)
	}
	w.heldBackUntil = now.Add(wait)
	w.pauseInput(true)
}

// heldBackWarning is how often the log says that input is held back.
const heldBackWarning = time.Minute

// endHoldBack notes that there is a checkpoint: nothing waits any more.
func (w *Worker) endHoldBack() {
	if w.heldBackSince.IsZero() || len(w.outages) > 0 {
		return
	}
	w.config.Logger.Info("input goes on", "after", w.config.Clock.Now().Sub(w.heldBackSince).Round(time.Millisecond))
	w.heldBackSince = time.Time{}
}

// TryCheckpoint makes a checkpoint or, if a sink takes no more, holds the input back until it can be made. It reports whether
// there is a checkpoint.
func (w *Worker) TryCheckpoint(ctx context.Context) (made bool, err error) {
	if w.heldBack() {
		return false, nil
	}
	err = w.Checkpoint(ctx)
	if isBackpressure(err) {
		w.holdBack(err)
		return false, nil
	}
	if isRefused(err) {
		err = w.searchOn(ctx, err)
	}
	return err == nil, err
}

// heldBack reports whether input is held back at the moment.
func (w *Worker) heldBack() bool { return !w.heldBackUntil.IsZero() }

// tryAgain makes the checkpoint that was held back, and lets the input go on, if it is time.
func (w *Worker) tryAgain(ctx context.Context) error {
	if w.config.Clock.Now().Before(w.heldBackUntil) {
		return nil
	}
	w.goOn()
	return w.Checkpoint(ctx)
}

// goOn ends that input is held back.
func (w *Worker) goOn() {
	if w.heldBack() {
		w.heldBackUntil = time.Time{}
		w.pauseInput(false)
	}
}

func (w *Worker) pauseInput(paused bool) {
	for _, t := range w.sortedTasks() {
		for _, tp := range t.inputPartitions() {
			switch {
			case paused:
				w.fetcher.Pause(tp)
			case t.aligned == nil || !t.aligned.input(tp.Topic).paused:
				w.fetcher.Resume(tp)
			}
		}
	}
}
