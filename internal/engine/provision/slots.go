package provision

import (
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
)

// slotTopics checks the internal topics of sources, or makes them. Nothing is ever written to them.
func (p *preparation) slotTopics() {
	for _, part := range p.plan.SubTopologies {
		for _, n := range part.Sources {
			if n.Source.Slots == 0 {
				continue
			}
			name := p.plan.Topic(n)
			info, ok := p.known[name]
			if ok {
				if info.Partitions != n.Source.Slots {
					p.problem("topic %q has %d partitions, and the source declared at %s has %d slots: a split belongs to the slot that the hash "+
						"of its ID gives, so that number cannot change; set source.Options.Slots to %d, or give the source another name to begin "+
						"from the start", name, info.Partitions, n.Site, n.Source.Slots, info.Partitions)
				}
				continue
			}
			replication := p.options.Replication
			for _, child := range part.Nodes {
				if child.Sink != nil {
					if target, ok := p.known[p.plan.Topic(child)]; ok {
						replication = max(replication, target.Replication)
					}
				}
			}
			settings := map[string]string{cleanupPolicy: "compact"}
			p.make(broker.TopicSpec{Name: name, Partitions: n.Source.Slots, Replication: replication, Config: settings})
		}
	}
}

// addSlotNames adds the names of the internal topics of sources.
func addSlotNames(plan *graph.Plan, internal map[string]bool) {
	for _, part := range plan.SubTopologies {
		for _, n := range part.Sources {
			if n.Source.Slots > 0 {
				internal[plan.Topic(n)] = true
			}
		}
	}
}
