package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/gate"
	"github.com/weirstreams/weir/internal/engine/refused"
)

// holdBack stops all input of the worker until the checkpoint can be tried again, because of an error that gate.IsPressure.
func (w *Worker) holdBack(err error) {
	wait, _ := gate.Pressure(err)
	w.holdBackFor(wait, err)
}

// holdBackFor stops all input of the worker for a time.
func (w *Worker) holdBackFor(wait time.Duration, cause error) {
	w.gate.Hold(wait, cause)
	w.pauseInput(true)
}

// heldBack reports whether input is held back at the moment.
func (w *Worker) heldBack() bool { return w.gate.Held() }

// goOn ends that input is held back.
func (w *Worker) goOn() {
	if w.gate.Open() {
		w.pauseInput(false)
	}
}

// TryCheckpoint makes a checkpoint or, if a sink takes no more, holds the input back until it can be made. It reports whether
// there is a checkpoint.
func (w *Worker) TryCheckpoint(ctx context.Context) (made bool, err error) {
	if w.heldBack() {
		return false, nil
	}
	err = w.Checkpoint(ctx)
	if gate.IsPressure(err) {
		w.holdBack(err)
		return false, nil
	}
	if refused.Is(err) {
		err = w.searchOn(ctx, err)
	}
	return err == nil, err
}

// tryAgain makes the checkpoint that was held back, and lets the input go on, if it is time.
func (w *Worker) tryAgain(ctx context.Context) error {
	if !w.gate.Due() {
		return nil
	}
	w.goOn()
	return w.Checkpoint(ctx)
}

// waitOut goes back to the last checkpoint after an error that gate.IsOutage, because a record may be half processed, and holds the input
// back for a while. It returns an error if the record has waited for too long.
func (w *Worker) waitOut(ctx context.Context, err error) error {
	wait, failure := w.gate.BeginOutage(err, w.config.CodecTimeout)
	if failure != nil {
		return failure
	}
	if err := w.goBack(ctx, fmt.Errorf("%w: %w", broker.ErrAborted, err)); err != nil {
		return err
	}
	w.holdBackFor(wait, err)
	return nil
}

// endOutages forgets records that have waited for a codec and are processed by now.
func (w *Worker) endOutages() {
	w.gate.EndOutages(func(tp broker.TopicPartition) (next int64, reads bool) {
		t := w.tasks.reading(tp)
		if t == nil {
			return 0, false
		}
		return t.input.Next[tp.Topic], true
	})
}
