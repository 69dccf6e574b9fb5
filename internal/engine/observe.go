package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// observed reports whether somebody wants to hear of each record.
func (w *Worker) observed() bool { return w.config.OnProcessed != nil || w.config.Outputs != nil }

// observe tells of a record that was processed or skipped, and whether to process no more.
func (w *Worker) observe(t *task, r *broker.Record) (enough bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("OnProcessed: panic: %v", p)
		}
	}()
	w.noteOutputs(t)
	if f := w.config.OnProcessed; f != nil {
		f(weir.Origin{
			Topic: t.env.Origin.Topic, Partition: t.id.Partition, Offset: r.Offset, Size: len(r.Value), LeaderEpoch: r.LeaderEpoch,
		})
	}
	return w.halted(), nil
}

// Working reports whether the worker is processing records right now. Any goroutine may call it.
func (w *Worker) Working() bool { return w.working.Load() }

// haltedWait is how long a worker that has had enough waits before it looks for jobs, which do not wake it.
const haltedWait = 10 * time.Millisecond

// stepHalted makes a checkpoint, as enough outputs were made, or waits. It processes nothing.
func (w *Worker) stepHalted(ctx context.Context, wait time.Duration) (worked bool, err error) {
	switch {
	case w.heldBack():
		if err := w.tryAgain(ctx); err != nil {
			return true, err
		}
	case w.Dirty() && !w.resting():
		return true, w.Checkpoint(ctx)
	}
	return false, w.pause(ctx, wait)
}

// pause waits without processing anything.
func (w *Worker) pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(min(wait, haltedWait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
