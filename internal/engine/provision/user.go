package provision

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/topicsetting"
)

// userTopics checks the topics that the user declared, but for those of global tables.
func (p *preparation) userTopics() {
	for _, n := range p.plan.Graph.Nodes {
		if partitions, config, ok := n.Declared(); ok && n.Global == nil {
			p.settingNames(n, config)
			p.userTopic(n, partitions, config)
		}
	}
}

// userTopic checks one of them, or makes it.
func (p *preparation) userTopic(n *graph.Node, partitions int32, config map[string]string) {
	name := p.plan.Topic(n)
	if info, ok := p.known[name]; ok {
		p.compare(n, info, partitions, config)
		return
	}
	if !p.options.Create {
		if at, first := p.declaredAt(n, func(*graph.Node) bool { return true }); first {
			p.problem("topic %q, declared at %s, does not exist: create it, or set Config.Topics.Create", name, at)
		}
		return
	}
	p.make(broker.TopicSpec{
		Name: name, Partitions: max(1, partitions), Replication: p.options.Replication, Config: config,
	})
}

// declaredAt names the places where the topic of a node is declared, as far as same accepts the node there: a topic may be read and
// written, and has one problem all the same. first is false if an earlier node is one of them.
func (p *preparation) declaredAt(n *graph.Node, same func(*graph.Node) bool) (at string, first bool) {
	var sites []string
	first = true
	passed := false
	for _, other := range p.plan.Graph.Nodes {
		passed = passed || other == n
		if _, _, ok := other.Declared(); !ok || p.plan.Topic(other) != p.plan.Topic(n) || !same(other) {
			continue
		}
		first = first && passed
		if !slices.Contains(sites, other.Site) {
			sites = append(sites, other.Site)
		}
	}
	return strings.Join(sites, " and "), first
}

// settingNames checks the names of the settings of a declared topic.
func (p *preparation) settingNames(n *graph.Node, config map[string]string) {
	name := p.plan.Topic(n)
	for _, setting := range slices.Sorted(maps.Keys(config)) {
		at, first := p.declaredAt(n, func(o *graph.Node) bool {
			_, declared, _ := o.Declared()
			_, ok := declared[setting]
			return ok
		})
		if first {
			p.settingName(fmt.Sprintf("topic %q, declared at %s,", name, at), p.described[name], setting)
		}
	}
}

// settingName checks the name of a setting of a topic, which may exist. A cluster lists all settings that it knows with each topic, Kafka's and those of its
// vendor: one that it does not list is mistyped, or has come with another version.
func (p *preparation) settingName(topic string, exists bool, setting string) {
	lists := slices.ContainsFunc(slices.Collect(maps.Keys(p.described)), func(name string) bool { return len(p.known[name].Config) > 0 })
	switch documented := topicsetting.Documented(setting); {
	case p.clusterKnows(setting), documented && !exists:
	case documented:
		p.warn("%s sets %s, which this cluster does not list: it has no effect", topic, setting)
	case lists:
		p.problem("%s sets %s, and neither Kafka nor this cluster has a setting of that name: mend the name, or leave it out", topic, setting)
	default: // it may be of the vendor
		p.warn("%s sets %s, and Kafka has no setting of that name: the topic can be made only if the cluster knows it", topic, setting)
	}
}

// globalTopics checks the topics of global tables. One that is made is compacted, unless it is a topic of a stream as well or
// its declaration says otherwise.
func (p *preparation) globalTopics() {
	for _, n := range p.plan.Globals {
		name := p.plan.Topic(n)
		if p.internal[name] {
			p.problem("topic %q of the global table declared at %s is an internal topic of this application: write the stream or table to a topic of its own",
				name, n.Site)
			continue
		}
		p.settingNames(n, n.Global.Config)
		info, ok := p.known[name]
		if policy, known := info.Config["cleanup.policy"]; ok && known && !strings.Contains(policy, "compact") && info.Config["retention.ms"] != "-1" {
			p.warn("topic %q of the global table declared at %s has cleanup.policy=%s: rows that were written before its retention are missing "+
				"after the next start", name, n.Site, policy)
		}
		config := maps.Clone(n.Global.Config)
		if ok {
			p.compare(n, info, n.Global.Partitions, config)
			continue
		}
		if _, set := config["cleanup.policy"]; !set {
			if config == nil {
				config = map[string]string{}
			}
			config["cleanup.policy"] = "compact"
		}
		p.userTopic(n, n.Global.Partitions, config)
	}
}

// compare notes the settings of a topic of the user that contradict its declaration. A topic that keeps other records than the
// declaration says is an error: one that is compacted where the declaration is not, or the other way round. Everything else is
// a warning.
func (p *preparation) compare(n *graph.Node, info broker.TopicInfo, partitions int32, config map[string]string) {
	if !p.described[info.Name] {
		return // it is made, for another declaration
	}
	if partitions > 0 && info.Partitions != partitions {
		at, first := p.declaredAt(n, func(o *graph.Node) bool {
			declared, _, _ := o.Declared()
			return declared == partitions
		})
		if first {
			p.warn("topic %q, declared at %s, has %d partitions, and %d are declared", info.Name, at, info.Partitions, partitions)
		}
	}
	for _, setting := range slices.Sorted(maps.Keys(config)) {
		have, known := info.Config[setting]
		want := config[setting]
		if !known || have == want {
			continue
		}
		at, first := p.declaredAt(n, func(o *graph.Node) bool {
			_, declared, _ := o.Declared()
			value, ok := declared[setting]
			return ok && value == want
		})
		switch {
		case !first:
		case setting == cleanupPolicy && isCompact(have) != isCompact(want):
			p.problem("topic %q, declared at %s, has cleanup.policy=%s, and %s is declared: other records are kept than the program expects; "+
				"change the topic or the declaration", info.Name, at, have, want)
		default:
			p.warn("topic %q, declared at %s, has %s=%s, and %s is declared", info.Name, at, setting, have, want)
		}
	}
}
