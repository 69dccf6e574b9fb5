package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
)

// commitStarts makes a checkpoint of the start positions of tasks with inputs that had no committed offsets. Only then are their
// inputs fetched: a task that the group has given to another member finds that out here, before it has written records that its
// successor meets. From then on the group has offsets for each topic that it has read, until the cluster forgets them.
func (w *Worker) commitStarts(ctx context.Context) error {
	if !w.starting || w.resting() || w.heldBack() {
		return nil
	}
	var starts []*task
	for _, t := range w.sortedTasks() {
		if t.state == starting {
			t.changed = true
			t.sinks.AnnounceEpoch()
			starts = append(starts, t)
		}
	}
	if err := w.Checkpoint(ctx); err != nil {
		return err
	}
	if err := w.recoverSinks(ctx, starts); err != nil {
		return err
	}
	w.starting = false
	moved := false
	for _, t := range starts {
		t.state = running
		for _, tp := range t.inputPartitions() {
			delete(w.replaced, tp)
		}
		if err := w.fetchInput(ctx, t); err != nil {
			return err
		}
		if t.moved() {
			t.changed, moved = true, true
		}
	}
	if !moved {
		return w.commitPrepared(ctx)
	}
	return w.Checkpoint(ctx)
}

// moved reports whether the state of a task reflects topics that are others by now, or lacks records of a changelog. Changelogs say which these are only when the
// offsets are committed, and before anything is processed: a standing in front of the offsets of the old topics would make a restore
// go on at those.
func (t *task) moved() bool {
	return slices.ContainsFunc(t.stores, func(s taskStore) bool {
		return s.standing.Cut() || len(s.standing.Inputs) > 0 && !s.standing.Is(t.topicIDs)
	})
}

// forgotten returns an error that says so if the application has read an input without committed offsets before, and there is
// state that reflects its records: in a later part, with positions that do not tell. It would count them again.
func (w *Worker) forgotten(ctx context.Context, t *task, tp broker.TopicPartition) (lost, err error) {
	repartitions, changelogs := w.countsIn(t.part)
	if len(changelogs) == 0 {
		return nil, nil
	}
	for _, topics := range [][]string{repartitions, changelogs} {
		used, err := w.used(ctx, topics)
		if err != nil || !used {
			return nil, err
		}
	}
	// Afterwards, as another process may begin at this moment, which commits first and writes then.
	partitions, err := w.presentPartitions(ctx, tp)
	if err != nil {
		return nil, err
	}
	committed, err := w.cluster.CommittedOffsets(ctx, w.plan.Group, partitions...)
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
func (w *Worker) countsIn(first *graph.SubTopology) (repartitions, changelogs []string) {
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
			topic := w.plan.Topic(n)
			if part == first {
				repartitions = append(repartitions, topic)
			}
			for _, reader := range w.plan.SubTopologies {
				for _, source := range reader.Sources {
					if w.plan.Topic(source) != topic || seen[reader] {
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

func (w *Worker) partitionsOf(topics ...string) (tps []broker.TopicPartition) {
	for _, topic := range topics {
		for n := range w.topics.Partitions[topic] {
			tps = append(tps, broker.TopicPartition{Topic: topic, Partition: n})
		}
	}
	return tps
}

// presentPartitions returns the partitions of an input topic that one of them belongs to, with those that were added since the worker
// began.
func (w *Worker) presentPartitions(ctx context.Context, one broker.TopicPartition) ([]broker.TopicPartition, error) {
	known, err := w.cluster.Topics(ctx, one.Topic)
	if err != nil {
		return nil, fmt.Errorf("look up topic %q: %w", one.Topic, err)
	}
	count := max(known[one.Topic].Partitions, one.Partition+1, w.topics.Partitions[one.Topic])
	partitions := make([]broker.TopicPartition, count)
	for n := range partitions {
		partitions[n] = broker.TopicPartition{Topic: one.Topic, Partition: int32(n)}
	}
	return partitions, nil
}

// used reports whether anything was ever written to some topics.
func (w *Worker) used(ctx context.Context, topics []string) (bool, error) {
	ends, err := w.cluster.Offsets(ctx, broker.Latest, w.partitionsOf(topics...)...)
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
