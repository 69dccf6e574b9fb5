package provision

import (
	"slices"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
)

// internalNames returns the names of the internal topics of a plan.
func internalNames(plan *graph.Plan) map[string]bool {
	internal := map[string]bool{}
	addSlotNames(plan, internal)
	if plan.DeadLetters != "" {
		internal[plan.DeadLetters] = true
	}
	for _, part := range plan.SubTopologies {
		for _, s := range part.Stores {
			if s.Changelog != "" {
				internal[s.Changelog] = true
			}
		}
		for _, n := range part.Nodes {
			if n.Sink != nil && n.Sink.Repartition != "" {
				internal[plan.Topic(n)] = true
			}
		}
	}
	return internal
}

// internalTopics checks, and makes, the changelogs of a part and the repartition topics that it writes.
func (p *preparation) internalTopics(part *graph.SubTopology) {
	derived := p.derive(part)
	p.grownInput(part, derived.Partitions)
	for _, s := range part.Stores {
		if s.Changelog == "" {
			p.warn("store %q, of the operator declared at %s, has no changelog: its state is lost with the disk of the machine, and when another "+
				"member takes over a task", s.Name, s.Node.Site)
			continue
		}
		spec := broker.TopicSpec{
			Name: s.Changelog, Partitions: derived.Partitions, Replication: derived.Replication, Config: p.changelogSettings(part),
		}
		info, ok := p.known[s.Changelog]
		if !ok {
			p.make(spec)
			continue
		}
		if policy, ok := info.Config["cleanup.policy"]; ok && policy != "compact" {
			p.problem("changelog %q of store %q has cleanup.policy=%s: records of the state would be deleted; set it to compact",
				s.Changelog, s.Name, policy)
		}
		p.mend(info, spec.Config)
	}
	for _, n := range part.Nodes {
		if n.Sink == nil || n.Sink.Repartition == "" || n.Sink.Attached {
			continue
		}
		partitions := n.Sink.Partitions
		if partitions == 0 {
			partitions = derived.Partitions
		}
		info, ok := p.repartitionTopic(n, part, partitions, derived.Replication)
		if ok && n.Sink.Partitions > 0 && info.Partitions != n.Sink.Partitions {
			p.problem("topic %q has %d partitions, %d were declared at %s", info.Name, info.Partitions, n.Sink.Partitions, n.Site)
		}
	}
}

// repartitionTopic checks a repartition topic that a part writes, or makes it, and reports whether it is there.
func (p *preparation) repartitionTopic(n *graph.Node, writer *graph.SubTopology, partitions int32, replication int16) (info broker.TopicInfo, ok bool) {
	name, settings := p.plan.Topic(n), p.repartitionSettings(writer)
	if info, ok = p.known[name]; !ok {
		p.make(broker.TopicSpec{Name: name, Partitions: partitions, Replication: replication, Config: settings})
		return info, false
	}
	if policy := info.Config[cleanupPolicy]; isCompact(policy) {
		p.problem("topic %q has cleanup.policy=%s: records would be lost; set it to delete", name, policy)
	}
	p.mend(info, settings)
	return info, true
}

// attachedTopics checks, and makes, the topics that a part reads and that are attached to it. They have the settings of the
// part that writes them.
func (p *preparation) attachedTopics(part *graph.SubTopology) {
	for _, n := range part.Sources {
		if !n.Source.Attached() {
			continue
		}
		writer := p.plan.PartOf(n.Source.Repartition)
		if p.inputsKnown(part) && p.inputsKnown(writer) {
			p.repartitionTopic(n.Source.Repartition, writer, p.derive(part).Partitions, p.derive(writer).Replication)
		}
	}
}

// derive returns the partitions and replicas of a part's internal topics: the greatest of its inputs, but for those that are attached
// to the part.
func (p *preparation) derive(part *graph.SubTopology) broker.TopicInfo {
	derived := broker.TopicInfo{Replication: -1}
	for _, n := range part.Sources {
		if n.Source.Attached() {
			continue
		}
		info := p.known[p.plan.Topic(n)]
		derived.Partitions = max(derived.Partitions, info.Partitions)
		derived.Replication = max(derived.Replication, info.Replication)
	}
	return derived
}

// upstreamFirst orders the parts so that the one that writes a repartition topic comes before the one that reads it.
func upstreamFirst(plan *graph.Plan) []*graph.SubTopology {
	var order []*graph.SubTopology
	var visit func(part *graph.SubTopology)
	visit = func(part *graph.SubTopology) {
		if slices.Contains(order, part) {
			return
		}
		for _, n := range part.Sources {
			if w := n.Source.Repartition; w != nil && !n.Source.Attached() {
				visit(plan.PartOf(w))
			}
		}
		order = append(order, part)
	}
	for _, part := range plan.SubTopologies {
		visit(part)
	}
	return order
}
