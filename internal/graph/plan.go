package graph

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Plan is a topology cut into the parts that run as tasks.
type Plan struct {
	Graph *Graph
	Group string
	// DeadLetters is the name of the topic of dead letters on the cluster, empty if there is none.
	DeadLetters string
	// Parts are in the order of their first node.
	SubTopologies []*SubTopology
	// Globals are the nodes of the global tables, in the order of declaration.
	Globals []*Node

	names  map[*Node]string
	naming func(topic string) string
}

// SubTopology is a set of nodes that are connected without a topic in between. One task runs it per partition.
type SubTopology struct {
	// ID is the index in Plan.SubTopologies.
	ID int
	// StreamID names the part: its input topics, sorted and joined by "--", without those that are attached to it. Internal
	// topics are in short form.
	StreamID string
	Nodes    []*Node
	// Sources are the nodes that read topics, ordered by topic.
	Sources []*Node
	Stores  []Store
}

// Store is a store of a part.
type Store struct {
	Name string
	// Changelog is the name of the changelog topic, empty if the store has none.
	Changelog string
	// Node is the first operator that uses the store.
	Node *Node
}

// UnloggedStores returns the names of the part's stores without a changelog.
func (part *SubTopology) UnloggedStores() (names []string) {
	for _, s := range part.Stores {
		if s.Changelog == "" {
			names = append(names, s.Name)
		}
	}
	return names
}

// NewPlan cuts a topology into parts and names the internal topics for a consumer group. The topology has been validated.
func NewPlan(g *Graph, group string) *Plan {
	p := &Plan{Graph: g, Group: group, names: map[*Node]string{}}
	for _, nodes := range connected(g) {
		if n := nodes[0]; n.Global != nil {
			p.Globals = append(p.Globals, n)
			p.names[n] = n.Global.Topic
			continue
		}
		p.SubTopologies = append(p.SubTopologies, &SubTopology{ID: len(p.SubTopologies), Nodes: nodes})
	}
	// A repartition topic is named after the part that writes it, and names the part that reads it: go upstream first.
	named := map[*SubTopology]bool{}
	var name func(part *SubTopology)
	name = func(part *SubTopology) {
		if named[part] {
			return
		}
		named[part] = true
		for _, n := range part.Nodes {
			if n.Source == nil {
				continue
			}
			part.Sources = append(part.Sources, n)
			if n.Source.Attached() {
				continue // named below, when all parts are
			}
			if w := n.Source.Repartition; w != nil {
				name(p.PartOf(w))
				p.names[n] = p.names[w]
			} else if n.Source.Slots > 0 {
				p.names[n] = fmt.Sprintf("slots__%s--%s", group, n.Source.Topic)
			} else {
				p.names[n] = n.Source.Topic
			}
		}
		p.sortSources(part)
		topics := make([]string, 0, len(part.Sources))
		for _, n := range part.Sources {
			if !n.Source.Attached() {
				topics = append(topics, shorten(p.names[n], group))
			}
		}
		part.StreamID = strings.Join(topics, "--")
		for _, n := range part.Nodes {
			if n.Sink != nil {
				p.names[n] = n.Sink.Topic
				if op := n.Sink.Repartition; op != "" {
					p.names[n] = fmt.Sprintf("repartition__%s--%s--%s", group, part.StreamID, op)
				}
			}
			for _, s := range n.Stores {
				shared := slices.IndexFunc(part.Stores, func(o Store) bool {
					return n.Shared[s] != nil && o.Name == s && o.Node.Shared[s] == n.Shared[s]
				})
				if shared >= 0 {
					if n.Unlogged[s] { // each of the operators can say so
						part.Stores[shared].Changelog = ""
					}
					continue
				}
				changelog := fmt.Sprintf("changelog__%s--%s--%s", group, part.StreamID, s)
				if n.Unlogged[s] {
					changelog = ""
				}
				part.Stores = append(part.Stores, Store{Name: s, Node: n, Changelog: changelog})
			}
		}
	}
	for _, part := range p.SubTopologies {
		name(part)
	}
	for _, part := range p.SubTopologies {
		for _, n := range part.Sources {
			if n.Source.Attached() {
				p.names[n] = p.names[n.Source.Repartition]
			}
		}
		p.sortSources(part)
	}
	return p
}

func (p *Plan) sortSources(part *SubTopology) {
	slices.SortFunc(part.Sources, func(a, b *Node) int { return strings.Compare(p.names[a], p.names[b]) })
}

// shorten gives an internal topic of the same group the form for a part of another topic's name: without the
// group, and with dots.
func shorten(topic, group string) string {
	if !strings.Contains(topic, "__"+group+"--") {
		return topic
	}
	return strings.ReplaceAll(strings.ReplaceAll(topic, "__"+group, ""), "--", ".")
}

// Topic returns the name of the topic that a node reads or writes.
func (p *Plan) Topic(n *Node) string { return p.names[n] }

// Units returns, for each part, the topics that it reads: equal partition numbers of them belong to one task.
func (p *Plan) Units() [][]string {
	units := make([][]string, len(p.SubTopologies))
	for i, part := range p.SubTopologies {
		for _, n := range part.Sources {
			units[i] = append(units[i], p.names[n])
		}
	}
	return units
}

// InputTopics returns all topics that are read, internal ones included, sorted.
func (p *Plan) InputTopics() []string {
	var topics []string
	for _, part := range p.SubTopologies {
		for _, n := range part.Sources {
			topics = append(topics, p.names[n])
		}
	}
	slices.Sort(topics)
	return topics
}

// SourceTopics returns the topics that sources outside of Kafka write, also those that the topology does not read, sorted.
func (p *Plan) SourceTopics() []string {
	var topics []string
	for _, n := range p.Graph.Nodes {
		if n.Source != nil && n.Source.Slots > 0 && n.External != nil {
			topics = append(topics, p.Topic(n.Children[0]))
		}
	}
	slices.Sort(topics)
	return topics
}

// InternalTopics returns the topics that exist for the application alone, sorted: changelogs, repartition topics and those of the positions of sources.
func (p *Plan) InternalTopics() []string {
	found := map[string]bool{}
	for _, part := range p.SubTopologies {
		for _, n := range part.Nodes {
			if n.Source != nil && (n.Source.Repartition != nil || n.Source.Slots > 0) || n.Sink != nil && n.Sink.Repartition != "" {
				found[p.names[n]] = true
			}
		}
		for _, s := range part.Stores {
			if s.Changelog != "" {
				found[s.Changelog] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// PartOf returns the part that a node belongs to, which is not a global table.
func (p *Plan) PartOf(n *Node) *SubTopology {
	for _, part := range p.SubTopologies {
		if slices.Contains(part.Nodes, n) {
			return part
		}
	}
	panic("graph: node outside of all parts")
}

// connected returns the connected components of the graph, each in the order of declaration.
func connected(g *Graph) [][]*Node {
	component := make([]int, len(g.Nodes))
	for i := range component {
		component[i] = i
	}
	var find func(i int) int
	find = func(i int) int {
		if component[i] != i {
			component[i] = find(component[i])
		}
		return component[i]
	}
	for _, n := range g.Nodes {
		for _, p := range n.Parents {
			a, b := find(n.ID), find(p.ID)
			component[max(a, b)] = min(a, b)
		}
	}
	index := map[int]int{}
	var parts [][]*Node
	for _, n := range g.Nodes {
		root := find(n.ID)
		i, ok := index[root]
		if !ok {
			i = len(parts)
			index[root] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], n)
	}
	return parts
}

// SetNames puts a prefix before the group, and gives all topics the names that a function returns for those of the program. Stream ids, and
// with them the folders of the state, stay as they are.
func (p *Plan) SetNames(prefix string, naming func(topic string) string) {
	p.Group, p.naming = prefix+p.Group, naming
	for n, name := range p.names {
		if name != "" {
			p.names[n] = naming(name)
		}
	}
	for _, part := range p.SubTopologies {
		for i := range part.Stores {
			if s := &part.Stores[i]; s.Changelog != "" {
				s.Changelog = naming(s.Changelog)
			}
		}
	}
}

// ClusterName returns the name on the cluster of a topic that the program, or the application, names.
func (p *Plan) ClusterName(topic string) string {
	if p.naming == nil {
		return topic
	}
	return p.naming(topic)
}

// Topics returns all topics of the plan by their names on the cluster, sorted.
func (p *Plan) Topics() []string {
	names := map[string]bool{p.DeadLetters: true}
	for _, name := range p.names {
		names[name] = true
	}
	for _, part := range p.SubTopologies {
		for _, s := range part.Stores {
			names[s.Changelog] = true
		}
	}
	delete(names, "")
	return slices.Sorted(maps.Keys(names))
}
