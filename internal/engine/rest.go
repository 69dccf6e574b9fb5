package engine

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
)

// Positions are where the tasks of a worker stand.
type Positions struct {
	// Next are the next offsets to read of all inputs of the worker's tasks.
	Next map[broker.TopicPartition]int64
	// Settled is set if a checkpoint covers everything that was read, and nothing waits in the worker: no restore, no held
	// records, no outage.
	Settled bool
}

// Settle makes a checkpoint, so that readers of committed records, among them tasks of this application, see everything that
// the worker has written. A failure that passes, such as a sink that takes no more, is no error.
func (w *Worker) Settle(ctx context.Context) error {
	if w.resting() || w.heldBack() {
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
		Settled: !w.Dirty() && !w.resting() && !w.heldBack() && w.held.batch == nil && w.outbox.pending == 0 && len(w.forsaken) == 0,
	}
	for _, t := range w.sortedTasks() {
		p.Settled = p.Settled && t.state == running && !t.unclaimed
		for _, tp := range t.inputPartitions() {
			p.Next[tp] = t.positions[tp.Topic]
		}
	}
	return p
}

// Unread returns a partition that is not read to its end, or false if there is none. Of a topic that the application itself
// writes the end is behind everything that was written, pending transactions included; of any other one it is where a reader
// of committed records has to stop.
func Unread(
	ctx context.Context, cluster broker.Cluster, plan *graph.Plan, next map[broker.TopicPartition]int64,
) (unread broker.TopicPartition, found bool, err error) {
	written := map[string]bool{}
	for _, n := range plan.Graph.Nodes {
		if n.Sink != nil {
			written[plan.Topic(n)] = true
		}
	}
	tps := slices.SortedFunc(maps.Keys(next), func(a, b broker.TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	for _, ends := range []struct {
		at  broker.OffsetAt
		own bool
	}{{broker.Latest, true}, {broker.End, false}} {
		asked := slices.DeleteFunc(slices.Clone(tps), func(tp broker.TopicPartition) bool { return written[tp.Topic] != ends.own })
		if len(asked) == 0 {
			continue
		}
		offsets, err := offsetsOfExisting(ctx, cluster, ends.at, asked)
		if err != nil {
			return unread, false, err
		}
		for _, tp := range asked {
			if next[tp] < offsets[tp] {
				return tp, true, nil
			}
		}
	}
	return unread, false, nil
}

// offsetsOfExisting looks up offsets of those partitions that exist: of one that was deleted nothing is left to read.
func offsetsOfExisting(
	ctx context.Context, cluster broker.Cluster, at broker.OffsetAt, tps []broker.TopicPartition,
) (map[broker.TopicPartition]int64, error) {
	offsets, err := cluster.Offsets(ctx, at, tps...)
	if !errors.Is(err, weir.ErrUnknownTopic) || len(tps) == 1 {
		if errors.Is(err, weir.ErrUnknownTopic) {
			err = nil
		}
		return offsets, err
	}
	all := map[broker.TopicPartition]int64{}
	for _, tp := range tps {
		one, err := offsetsOfExisting(ctx, cluster, at, []broker.TopicPartition{tp})
		if err != nil {
			return nil, err
		}
		maps.Copy(all, one)
	}
	return all, nil
}
