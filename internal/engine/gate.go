package engine

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/operator"
)

// inputGate says whether the input of a worker is held back: a sink takes no more, a lookup is unavailable, or a codec cannot reach a
// system that it needs. It owns the times of that, and tells the log about them. It stops nothing by itself: the worker calls it
// before it pauses and resumes the fetcher, and asks it before it processes input or makes a checkpoint. Only the goroutine of the
// worker calls its methods.
//
// It promises that the log says that input is held back once, and every heldBackWarning while that lasts, and says once that it goes on:
// after a checkpoint, with no record left that waits for a codec.
type inputGate struct {
	clock  clock.Clock
	logger *slog.Logger
	// until is the time of the next try, zero while the gate is open.
	until time.Time
	// since is when input was held back first, zero after a checkpoint. warned is when the log said so last.
	since, warned time.Time
	outages       outages
}

// heldBackWarning is how often the log says that input is held back.
const heldBackWarning = time.Minute

// hold closes the gate for a time.
func (g *inputGate) hold(wait time.Duration, cause error) {
	now := g.clock.Now()
	if g.since.IsZero() {
		g.since, g.warned = now, now.Add(-heldBackWarning)
	}
	if now.Sub(g.warned) >= heldBackWarning {
		g.warned = now
		g.logger.Warn("input is held back", "wait", wait, "since", g.since, "cause", cause)
	}
	g.until = now.Add(wait)
}

// held reports whether the gate is closed.
func (g *inputGate) held() bool { return !g.until.IsZero() }

// due reports whether it is time to try again.
func (g *inputGate) due() bool { return !g.clock.Now().Before(g.until) }

// open opens the gate, and reports whether it was closed.
func (g *inputGate) open() (was bool) {
	was = g.held()
	g.until = time.Time{}
	return was
}

// untilDue cuts a waiting time so that the next try is not late.
func (g *inputGate) untilDue(wait time.Duration) time.Duration {
	if g.held() {
		wait = min(wait, g.until.Sub(g.clock.Now()))
	}
	return wait
}

// forget begins anew after tasks have gone: the log says again that input is held back.
func (g *inputGate) forget() { g.since = time.Time{} }

// checkpointed notes that there is a checkpoint: nothing waits any more but records that wait for a codec.
func (g *inputGate) checkpointed() {
	if g.since.IsZero() || len(g.outages) > 0 {
		return
	}
	g.logger.Info("input goes on", "after", g.clock.Now().Sub(g.since).Round(time.Millisecond))
	g.since = time.Time{}
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

// holdBackFor stops all input of the worker for a time.
func (w *Worker) holdBackFor(wait time.Duration, cause error) {
	w.gate.hold(wait, cause)
	w.pauseInput(true)
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
func (w *Worker) heldBack() bool { return w.gate.held() }

// tryAgain makes the checkpoint that was held back, and lets the input go on, if it is time.
func (w *Worker) tryAgain(ctx context.Context) error {
	if !w.gate.due() {
		return nil
	}
	w.goOn()
	return w.Checkpoint(ctx)
}

// goOn ends that input is held back.
func (w *Worker) goOn() {
	if w.gate.open() {
		w.pauseInput(false)
	}
}
