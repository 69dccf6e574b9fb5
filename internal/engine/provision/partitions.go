package provision

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirstreams/weir/internal/graph"
)

// partitions checks that tasks of a part with stores own a partition of every input: records of the same key are in
// partitions of the same number then, if the producers choose partitions alike.
func (p *preparation) partitions(part *graph.SubTopology) {
	if len(part.Stores) == 0 || p.equalPartitions(part.Sources) {
		return
	}
	sources, what := part.Sources, "of a stream with state"
	if own := slices.DeleteFunc(slices.Clone(sources), func(n *graph.Node) bool { return n.Source.Attached() }); !p.equalPartitions(own) {
		sources = own // what is attached has the number of one of them
	}
	for _, n := range part.Nodes {
		if met := n.FedBy(); len(n.Parents) > 1 && !p.equalPartitions(met) {
			sources, what = met, fmt.Sprintf("that meet in %s, declared at %s,", n, n.Site)
			break
		}
	}
	counts := make([]string, len(sources))
	for i, n := range sources {
		counts[i] = fmt.Sprintf("%q has %d (%s)", p.plan.Topic(n), p.known[p.plan.Topic(n)].Partitions, n.Site)
	}
	p.problem("the topics %s must have equal numbers of partitions: %s; bring them to one number with GroupByKeyWith and "+
		"Repartition.Partitions, or with topics made anew", what, strings.Join(counts, ", "))
}

// equalPartitions reports whether those of the topics that exist, or will, have equal numbers of partitions.
func (p *preparation) equalPartitions(sources []*graph.Node) bool {
	first := int32(0)
	for _, n := range sources {
		info, ok := p.known[p.plan.Topic(n)]
		switch {
		case !ok:
		case first == 0:
			first = info.Partitions
		case info.Partitions != first:
			return false
		}
	}
	return true
}
