// Package offsets asks the cluster where partitions begin and end.
package offsets

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
)

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
	tps := slices.SortedFunc(maps.Keys(next), broker.TopicPartition.Compare)
	for _, ends := range []struct {
		at  broker.OffsetAt
		own bool
	}{{broker.Latest, true}, {broker.End, false}} {
		asked := slices.DeleteFunc(slices.Clone(tps), func(tp broker.TopicPartition) bool { return written[tp.Topic] != ends.own })
		if len(asked) == 0 {
			continue
		}
		offsets, err := OfExisting(ctx, cluster, ends.at, asked)
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

// OfExisting looks up offsets of those partitions that exist: of one that was deleted nothing is left to read.
func OfExisting(
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
		one, err := OfExisting(ctx, cluster, at, []broker.TopicPartition{tp})
		if err != nil {
			return nil, err
		}
		maps.Copy(all, one)
	}
	return all, nil
}

// Bounds returns the first offsets of partitions, and their ends for a reader of committed records.
func Bounds(ctx context.Context, cluster broker.Cluster, tps ...broker.TopicPartition) (earliest, end map[broker.TopicPartition]int64, err error) {
	if end, err = cluster.Offsets(ctx, broker.End, tps...); err != nil {
		return nil, nil, err
	}
	if earliest, err = cluster.Offsets(ctx, broker.Earliest, tps...); err != nil {
		return nil, nil, err
	}
	return earliest, end, nil
}
