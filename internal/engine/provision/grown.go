package provision

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
)

// GrownError says that a topic has another number of partitions than the state behind it.
type GrownError struct {
	Topic       string
	Now, Before int32
	Changelogs  []string
	// Unlogged are the stores without a changelog, if there are no others.
	Unlogged []string
}

// Error names both counts and the two ways out.
func (g *GrownError) Error() string {
	if len(g.Changelogs) == 0 {
		return fmt.Sprintf("topic %q has %d partitions, and the state behind it was made for %d (stores without a changelog: %s): records "+
			"of a key would be in another partition than its state. There are two ways out. Keep the state: make the topic anew with %d "+
			"partitions, write the records to it that were not processed yet, reset the offsets of the group for this topic, and set "+
			"Config.Topics.OnLostInput to LostInputContinues for the next start. Or begin with empty stores for %d partitions: start all members "+
			"again", g.Topic, g.Now, g.Before, strings.Join(g.Unlogged, ", "), g.Before, g.Now)
	}
	return fmt.Sprintf("topic %q has %d partitions, and the state behind it was made for %d (changelogs: %s): records of a key "+
		"would be in another partition than its state. There are two ways out. Keep the state: make the topic anew with %d "+
		"partitions, write the records to it that were not processed yet, reset the offsets of the group for this topic, and set "+
		"Config.Topics.OnLostInput to LostInputContinues for the next start. Or build the state anew for %d partitions: stop all members, "+
		"delete the changelogs and repartition topics of the group and the state directories, and reset the offsets of the group; the "+
		"topic has to be made anew too, with all its records, unless those in their old partitions may count apart from the later ones "+
		"of their keys",
		g.Topic, g.Now, g.Before, strings.Join(g.Changelogs, ", "), g.Before, g.Now)
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
			p.problem("%v", &GrownError{Topic: topic, Now: partitions, Before: before, Changelogs: byCount[before]})
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

// RefuseAdded returns a *GrownError if a topic of the input was given more partitions than the state of the part has. A task of
// such a partition has no changelog. Stores without one were made for the partitions that were known at the start.
func (t *Topics) RefuseAdded(ctx context.Context, cluster broker.Cluster, part *graph.SubTopology, partition int32, topics []string) error {
	before, changelogs := t.statePartitions(part)
	unlogged := part.UnloggedStores()
	if len(changelogs) == 0 && len(unlogged) > 0 {
		for _, topic := range topics {
			before = max(before, t.Partitions[topic])
		}
	}
	if len(changelogs)+len(unlogged) == 0 || partition < before {
		return nil
	}
	g := &GrownError{Topic: slices.Min(topics), Now: partition + 1, Before: before, Changelogs: changelogs, Unlogged: unlogged}
	known, err := cluster.Topics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("%w (and how many there are cannot be looked up: %w)", g, err)
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if info := known[name]; info.Partitions > g.Now || info.Name == g.Topic {
			g.Topic, g.Now = info.Name, max(g.Now, info.Partitions)
		}
	}
	return g
}

// statePartitions returns how many partitions the changelogs of a part have, and their names.
func (t *Topics) statePartitions(part *graph.SubTopology) (partitions int32, changelogs []string) {
	for _, s := range part.Stores {
		if n, ok := t.Partitions[s.Changelog]; ok {
			partitions = max(partitions, n)
			changelogs = append(changelogs, s.Changelog)
		}
	}
	return partitions, changelogs
}
