package progress

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
)

// History finds out whether an application has read an input before. It asks the cluster only.
type History struct {
	Cluster broker.Cluster
	Plan    *graph.Plan
	// Partitions are the numbers of partitions of the topics of the plan, as known when the worker began.
	Partitions map[string]int32
}

// Forgotten returns an error that says so if the application has read an input without committed offsets before, and there is
// state that reflects its records: in a later part, with positions that do not tell. It would count them again.
func (h *History) Forgotten(ctx context.Context, part *graph.SubTopology, tp broker.TopicPartition) (lost, err error) {
	repartitions, changelogs := h.countsIn(part)
	if len(changelogs) == 0 {
		return nil, nil
	}
	for _, topics := range [][]string{repartitions, changelogs} {
		used, err := h.used(ctx, topics)
		if err != nil || !used {
			return nil, err
		}
	}
	// Afterwards, as another process may begin at this moment, which commits first and writes then.
	partitions, err := h.PresentPartitions(ctx, tp)
	if err != nil {
		return nil, err
	}
	committed, err := h.Cluster.CommittedOffsets(ctx, h.Plan.Group, partitions...)
	if err != nil {
		return nil, fmt.Errorf("committed offsets: %w", err)
	}
	if len(committed) > 0 {
		return nil, nil // this partition was never read: it is new, or there was nothing in it
	}
	return fmt.Errorf("%s has no committed offset, nor has any partition of the topic, although the application has read it: "+
		"topic %q and the state behind it hold what came of that. The cluster forgets the offsets of a group that is away for longer "+
		"than offsets.retention.minutes, and those of a topic that is deleted", tp, repartitions[0]), nil
}

// countsIn returns the repartition topics that a part writes, and the changelogs of the parts that read them, directly or through
// others.
func (h *History) countsIn(first *graph.SubTopology) (repartitions, changelogs []string) {
	seen := map[*graph.SubTopology]bool{}
	var visit func(part *graph.SubTopology)
	visit = func(part *graph.SubTopology) {
		if seen[part] {
			return
		}
		seen[part] = true
		for _, n := range part.Nodes {
			if n.Sink == nil || n.Sink.Repartition == "" {
				continue
			}
			topic := h.Plan.Topic(n)
			if part == first {
				repartitions = append(repartitions, topic)
			}
			for _, reader := range h.Plan.SubTopologies {
				for _, source := range reader.Sources {
					if h.Plan.Topic(source) != topic || seen[reader] {
						continue
					}
					for _, s := range reader.Stores {
						if s.Changelog != "" {
							changelogs = append(changelogs, s.Changelog)
						}
					}
					visit(reader)
				}
			}
		}
	}
	visit(first)
	return repartitions, changelogs
}

// PresentPartitions returns the partitions of an input topic that one of them belongs to, with those that were added since the worker
// began.
func (h *History) PresentPartitions(ctx context.Context, one broker.TopicPartition) ([]broker.TopicPartition, error) {
	known, err := h.Cluster.Topics(ctx, one.Topic)
	if err != nil {
		return nil, fmt.Errorf("look up topic %q: %w", one.Topic, err)
	}
	count := max(known[one.Topic].Partitions, one.Partition+1, h.Partitions[one.Topic])
	partitions := make([]broker.TopicPartition, count)
	for n := range partitions {
		partitions[n] = broker.TopicPartition{Topic: one.Topic, Partition: int32(n)}
	}
	return partitions, nil
}

// used reports whether anything was ever written to some topics.
func (h *History) used(ctx context.Context, topics []string) (bool, error) {
	var partitions []broker.TopicPartition
	for _, topic := range topics {
		for n := range h.Partitions[topic] {
			partitions = append(partitions, broker.TopicPartition{Topic: topic, Partition: n})
		}
	}
	ends, err := h.Cluster.Offsets(ctx, broker.Latest, partitions...)
	if err != nil {
		return false, err
	}
	for _, end := range ends {
		if end > 0 {
			return true, nil
		}
	}
	return false, nil
}
