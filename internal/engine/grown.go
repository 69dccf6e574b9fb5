package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
)

// grown says that a topic has another number of partitions than the state behind it.
type grown struct {
	topic       string
	now, before int32
	changelogs  []string
}

// Error names both counts and the two ways out.
func (g *grown) Error() string {
	return fmt.Sprintf("topic %q has %d partitions, and the state behind it was made for %d (changelogs: %s): records of a key "+
		"would be in another partition than its state. There are two ways out. Keep the state: make the topic anew with %d "+
		"partitions, write the records to it that were not processed yet, reset the offsets of the group for this topic, and set "+
		"Config.Topics.OnLostInput to LostInputContinues for the next start. Or build the state anew for %d partitions: stop all members, "+
		"delete the changelogs and repartition topics of the group and the state directories, and reset the offsets of the group; the "+
		"topic has to be made anew too, with all its records, unless those in their old partitions may count apart from the later ones "+
		"of their keys",
		g.topic, g.now, g.before, strings.Join(g.changelogs, ", "), g.before, g.now)
}

// refuseGrown returns an error if a topic of the input was given more partitions than the state of the part has. A task of
// such a partition has no changelog.
func (w *Worker) refuseGrown(ctx context.Context, id TaskID, topics []string) error {
	part := w.plan.SubTopologies[id.Part]
	before, changelogs := w.statePartitions(part)
	if len(changelogs) == 0 || id.Partition < before {
		return nil
	}
	g := &grown{topic: slices.Min(topics), now: id.Partition + 1, before: before, changelogs: changelogs}
	known, err := w.cluster.Topics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("%w (and how many there are cannot be looked up: %w)", g, err)
	}
	for _, info := range sortedTopics(known) {
		if info.Partitions > g.now || info.Name == g.topic {
			g.topic, g.now = info.Name, max(g.now, info.Partitions)
		}
	}
	return fmt.Errorf("task %s: %w", taskName(part, id.Partition), g)
}

// statePartitions returns how many partitions the changelogs of a part have, and their names.
func (w *Worker) statePartitions(part *graph.SubTopology) (partitions int32, changelogs []string) {
	for _, s := range part.Stores {
		if n, ok := w.outbox.known.Partitions[s.Changelog]; ok {
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

// grownInput checks that the changelogs of a part that exist have as many partitions as its input.
func (p *preparation) grownInput(part *graph.SubTopology, partitions int32) {
	byCount := map[int32][]string{}
	for _, s := range part.Stores {
		if info, ok := p.known[s.Changelog]; ok && info.Partitions != partitions {
			byCount[info.Partitions] = append(byCount[info.Partitions], s.Changelog)
		}
	}
	for _, n := range part.Sources {
		topic := p.plan.Topic(n)
		if n.Source.Attached() || p.known[topic].Partitions != partitions {
			continue
		}
		for _, before := range sortedCounts(byCount) {
			p.problem("%v", &grown{topic: topic, now: partitions, before: before, changelogs: byCount[before]})
		}
		return
	}
}

func sortedCounts(byCount map[int32][]string) []int32 {
	var counts []int32
	for n := range byCount {
		counts = append(counts, n)
	}
	slices.Sort(counts)
	return counts
}
