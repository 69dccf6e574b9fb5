package engine

import (
	"context"

	"github.com/weirstreams/weir/internal/broker"
)

// Positions are where the tasks of a worker stand.
type Positions struct {
	// Next are the next offsets to read of all inputs of the worker's tasks.
	Next map[broker.TopicPartition]int64
	// Settled is set if a checkpoint covers everything that was read, and nothing waits in the worker: no restore, no held
	// records, no outage, no work of a sink that is prepared and not visible.
	Settled bool
}

// Settle makes a checkpoint, so that readers of committed records, among them tasks of this application, see everything that
// the worker has written. A failure that passes, such as a sink that takes no more, is no error. While calls of asynchronous
// operators are in flight there is none.
func (w *Worker) Settle(ctx context.Context) error {
	if w.resting() || w.heldBack() || w.InFlight() {
		return nil
	}
	defer w.publish()
	if err := w.Checkpoint(ctx); err != nil {
		return w.recoverFrom(ctx, err)
	}
	return nil
}

// Positions returns where the tasks of the worker stand.
func (w *Worker) Positions() Positions {
	p := Positions{
		Next:    map[broker.TopicPartition]int64{},
		Settled: !w.Dirty() && w.Visible() && !w.resting() && !w.heldBack() && w.held.batch == nil && w.outbox.Pending() == 0 && len(w.forsaken) == 0,
	}
	for _, t := range w.sortedTasks() {
		p.Settled = p.Settled && t.state == running && !t.unclaimed && t.feedsSettled()
		for _, tp := range t.inputPartitions() {
			p.Next[tp] = t.positions[tp.Topic]
		}
	}
	return p
}
