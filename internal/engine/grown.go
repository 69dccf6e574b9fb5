package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/graph"
)

// refuseGrown returns an error if a topic of the input was given more partitions than the state of the part has. A task of
// such a partition has no changelog. Stores without one were made for the partitions that the worker knew when it began.
func (w *Worker) refuseGrown(ctx context.Context, id TaskID, topics []string) error {
	part := w.plan.SubTopologies[id.Part]
	before, changelogs := w.statePartitions(part)
	unlogged := w.unloggedStores(id)
	if len(changelogs) == 0 && len(unlogged) > 0 {
		for _, topic := range topics {
			before = max(before, w.topics.Partitions[topic])
		}
	}
	if len(changelogs)+len(unlogged) == 0 || id.Partition < before {
		return nil
	}
	g := &provision.GrownError{Topic: slices.Min(topics), Now: id.Partition + 1, Before: before, Changelogs: changelogs, Unlogged: unlogged}
	known, err := w.cluster.Topics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("%w (and how many there are cannot be looked up: %w)", g, err)
	}
	for _, info := range sortedTopics(known) {
		if info.Partitions > g.Now || info.Name == g.Topic {
			g.Topic, g.Now = info.Name, max(g.Now, info.Partitions)
		}
	}
	return fmt.Errorf("task %s: %w", taskName(part, id.Partition), g)
}

// statePartitions returns how many partitions the changelogs of a part have, and their names.
func (w *Worker) statePartitions(part *graph.SubTopology) (partitions int32, changelogs []string) {
	for _, s := range part.Stores {
		if n, ok := w.topics.Partitions[s.Changelog]; ok {
			partitions = max(partitions, n)
			changelogs = append(changelogs, s.Changelog)
		}
	}
	return partitions, changelogs
}

func sortedTopics(known map[string]broker.TopicInfo) []broker.TopicInfo {
	all := make([]broker.TopicInfo, 0, len(known))
	for _, info := range known {
		all = append(all, info)
	}
	slices.SortFunc(all, func(a, b broker.TopicInfo) int { return strings.Compare(a.Name, b.Name) })
	return all
}
