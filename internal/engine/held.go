package engine

import (
	"context"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/gate"
)

// batchInWork is a batch of a task's input that is being processed, a few records at a time: checkpoints and the jobs of a
// rebalance come between two steps, and do not wait for the rest of the batch.
type batchInWork struct {
	batch *broker.Batch // nil if there is none
	task  *task
	from  int // the first record that was not processed
}

// take accepts a fetched batch, nil included: input is held, records of a changelog are applied.
func (w *Worker) take(ctx context.Context, batch *broker.Batch) error {
	if batch == nil {
		return nil
	}
	t := w.route[batch.TopicPartition]
	switch {
	case t == nil:
		batch.Release()
		return nil
	case t.state == restoring:
		defer batch.Release()
		return w.applyChangelog(ctx, t, batch)
	}
	if err := t.takeOutWatermarks(batch); err != nil {
		batch.Release()
		return err
	}
	if t.aligned != nil {
		w.buffer(t, batch)
	} else {
		w.current = batchInWork{batch: batch, task: t}
	}
	return nil
}

// processHeld processes some records of the batch that is held.
func (w *Worker) processHeld(ctx context.Context) error {
	h := &w.current
	w.status.working.Store(true)
	defer w.status.working.Store(false)
	began := w.config.Clock.Now()
	w.limitDirty(h.task)
	done, err := h.task.process(h.batch, h.from, w.schedule.Room(w.search.Limit()))
	h.from += done
	w.schedule.Took(done)
	w.schedule.Processed(done)
	if h.from > 0 {
		w.search.Processed(h.batch.TopicPartition, h.batch.Records[h.from-1].Offset)
	}
	if err != nil && !gate.IsPressure(err) {
		w.countFailed(err, h.batch.TopicPartition, h.batch.Records[h.from:])
		return err
	}
	w.schedule.Adjust(done, w.config.Clock.Now().Sub(began))
	if h.from < len(h.batch.Records) {
		return err
	}
	w.letGo()
	if err != nil {
		return err
	}
	return w.delivery.SendDue(ctx)
}

// letGo gives the memory of the batch back, processed or not.
func (w *Worker) letGo() {
	if w.current.batch != nil {
		w.current.batch.Release()
	}
	w.current = batchInWork{}
}

// limitDirty lets a task change state until that of all tasks of the worker comes to CheckpointBytes.
func (w *Worker) limitDirty(t *task) {
	t.parted = false
	others := int64(0)
	if t.stores.Any() {
		for _, o := range w.tasks.byID {
			if o != t {
				others += o.stores.DirtyBytes()
			}
		}
	}
	t.stores.Limit(w.config.CheckpointBytes - others)
}
