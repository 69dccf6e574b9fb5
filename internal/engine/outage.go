package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/backoff"
	"github.com/weirstreams/weir/internal/broker"
)

// outages are the records that wait for a system that a codec cannot reach, with the time of the first try. The place is
// empty for work without a record.
type outages map[place]time.Time

type place struct {
	broker.TopicPartition
	offset int64
}

// outageWaits has how long the input is held back between tries.
var outageWaits = backoff.Policy{Base: 500 * time.Millisecond, Max: 10 * time.Second}

// isOutage reports whether a codec cannot reach a system that it needs. No record is the cause, and the outage passes.
func isOutage(err error) bool { return errors.Is(err, codec.ErrOutage) }

// waitOut goes back to the last checkpoint, because a record may be half processed, and holds the input back for a while.
// It returns an error if the record has waited for too long.
func (w *Worker) waitOut(ctx context.Context, err error) error {
	var at place
	if failed, ok := errors.AsType[*weir.ProcessingError](err); ok {
		at = place{broker.TopicPartition{Topic: failed.Topic, Partition: failed.Partition}, failed.Offset}
	}
	now := w.config.Clock.Now()
	since, waits := w.gate.outages[at]
	if !waits {
		since = now
	}
	waited, limit := now.Sub(since), w.config.CodecTimeout
	if limit == 0 {
		return err
	}
	if limit > 0 && waited >= limit {
		return fmt.Errorf("tried for %v, which is as long as Config.CodecTimeout allows: %w", waited.Round(time.Millisecond), err)
	}
	if w.gate.outages == nil {
		w.gate.outages = outages{}
	}
	w.gate.outages[at] = since
	if err := w.goBack(ctx, fmt.Errorf("%w: %w", broker.ErrAborted, err)); err != nil {
		return err
	}
	wait := outageWaits.Again(waited)
	if limit > 0 {
		wait = min(wait, limit-waited)
	}
	w.holdBackFor(wait, err)
	return nil
}

// endOutages forgets records that are processed by now, or that belong to closed tasks.
func (w *Worker) endOutages() {
	for at, since := range w.gate.outages {
		t := w.taskOf(at.TopicPartition)
		if t != nil && t.positions[at.Topic] <= at.offset {
			continue
		}
		delete(w.gate.outages, at)
		if t != nil {
			w.config.Logger.Info("codecs can go on", "topic", at.Topic, "partition", at.Partition, "offset", at.offset,
				"after", w.config.Clock.Now().Sub(since).Round(time.Millisecond))
		}
	}
}

// taskOf returns the task that has a partition for its input, or nil.
func (w *Worker) taskOf(tp broker.TopicPartition) *task {
	for _, t := range w.tasks {
		if _, reads := t.inputs[tp.Topic]; reads && t.id.Partition == tp.Partition {
			return t
		}
	}
	return nil
}
