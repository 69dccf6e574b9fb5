package provision

import (
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
)

// deadLetters checks the topic of dead letters, or makes it. It takes each record of the inputs with some headers more.
func (p *preparation) deadLetters() {
	name := p.plan.DeadLetters
	if name == "" {
		return
	}
	for _, n := range p.plan.Graph.Nodes {
		if p.plan.Topic(n) == name {
			p.problem("topic %q, declared at %s, is that of the dead letters: letters must not be read by the application that writes them, nor mixed with its output; "+
				"set Config.Errors.DeadLetters.Topic to another name", name, n.Site)
			return
		}
	}
	partitions, replication := p.options.DeadLetters.Partitions, p.options.Replication
	largest := int64(0)
	for _, topic := range p.letterInputs() {
		info := p.known[topic]
		if p.options.DeadLetters.Partitions == 0 {
			partitions = max(partitions, info.Partitions)
		}
		replication = max(replication, info.Replication)
		bytes, _ := number(info.Config, maxMessageBytes)
		largest = max(largest, bytes)
	}
	settings := p.letterSettings(largest)
	if want := p.options.DeadLetters.Config[cleanupPolicy]; isCompact(want) {
		p.problem("Config.Errors.DeadLetters.Config has cleanup.policy=%s: letters with the same key would be lost; leave it out", want)
		return
	}
	info, ok := p.known[name]
	for _, setting := range slices.Sorted(maps.Keys(p.options.DeadLetters.Config)) {
		p.settingName("Config.Errors.DeadLetters.Config", ok, setting)
	}
	if !ok {
		maps.Copy(settings, p.options.DeadLetters.Config)
		p.make(broker.TopicSpec{Name: name, Partitions: max(1, partitions), Replication: replication, Config: settings})
		return
	}
	if policy := info.Config[cleanupPolicy]; isCompact(policy) {
		p.problem("the topic of dead letters %q has cleanup.policy=%s: letters with the same key would be lost; set it to delete", name, policy)
	}
	// Retention is up to the user: somebody may have chosen it. Other settings refuse letters.
	if have, known := number(info.Config, retentionMillis); known && have >= 0 {
		p.warn("the topic of dead letters %q has retention.ms=%d: letters carry the times of their records, so those of older records are deleted at once", name, have)
	}
	for setting := range p.options.DeadLetters.Config {
		delete(settings, setting)
	}
	delete(settings, retentionMillis)
	delete(settings, retentionBytes)
	p.mend(info, settings)
}

// letterInputs returns the topics with records that may become letters: those of the user and the internal ones that the application reads.
func (p *preparation) letterInputs() []string {
	topics := p.plan.InputTopics()
	topics = slices.DeleteFunc(topics, func(topic string) bool {
		return slices.ContainsFunc(p.plan.Graph.Nodes, func(n *graph.Node) bool {
			return n.Source != nil && n.Source.Slots > 0 && p.plan.Topic(n) == topic
		})
	})
	for _, n := range p.plan.Globals {
		topics = append(topics, p.plan.Topic(n))
	}
	return topics
}

// letterSettings are those of a topic of dead letters.
func (p *preparation) letterSettings(largest int64) map[string]string {
	settings := map[string]string{cleanupPolicy: "delete", retentionMillis: "-1", retentionBytes: "-1"}
	if p.clusterKnows(timestampType) {
		settings[timestampType] = "CreateTime"
	}
	for _, limit := range timestampLimits {
		if p.clusterKnows(limit) {
			settings[limit] = strconv.FormatInt(math.MaxInt64, 10)
		}
	}
	if largest > 0 {
		settings[maxMessageBytes] = strconv.FormatInt(min(max(largest+recordHeadroom, int64(p.options.MaxRecordBytes)), broker.DefaultMaxRecordBytes), 10)
	}
	return settings
}
