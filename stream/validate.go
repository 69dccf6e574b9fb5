package stream

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/topicname"
)

// Finding is one thing that is wrong with a topology.
type Finding struct {
	// Site is the line that declared the node: "folder/file.go:12".
	Site string
	// Node names the node as Describe does. Node and Site are empty if the finding is about the whole topology.
	Node string
	// Problem describes the mistake.
	Problem string
}

// String returns "site: node: problem".
func (f Finding) String() string {
	parts := make([]string, 0, 3)
	for _, p := range []string{f.Site, f.Node, f.Problem} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ": ")
}

// ValidationError holds everything that Validate found. It is a weir.ErrConfiguration.
type ValidationError struct {
	Findings []Finding
}

// Error returns one line per finding, below a heading.
func (e *ValidationError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "topology: %d finding(s)", len(e.Findings))
	for _, f := range e.Findings {
		b.WriteString("\n\t")
		b.WriteString(f.String())
	}
	return b.String()
}

// Unwrap returns weir.ErrConfiguration.
func (e *ValidationError) Unwrap() error { return weir.ErrConfiguration }

// Validate reports everything that is wrong with the topology at once, as a [*ValidationError], or nil. Besides names and
// settings that cannot work, these are mistakes: state, a window or a join behind a key that was changed without GroupBy
// (see [Stream.AssumePartitioned]); a window that is never emitted; and streams and tables that nothing reads. Problems that
// only the cluster can tell, such as a topic that does not exist, are reported when the application starts.
func (t *Topology) Validate() error {
	var e ValidationError
	for _, f := range t.graph.Findings {
		e.Findings = append(e.Findings, Finding(f))
	}
	add := func(n *graph.Node, format string, args ...any) {
		e.Findings = append(e.Findings, Finding{Site: n.Site, Node: n.String(), Problem: fmt.Sprintf(format, args...)})
	}
	sources, fed := map[string]*graph.Node{}, false
	for _, n := range t.graph.Nodes {
		if n.Source == nil || n.Source.Repartition != nil {
			continue
		}
		if n.Source.Slots > 0 {
			fed = true
			continue
		}
		if first, ok := sources[n.Source.Topic]; ok {
			add(n, "topic %q is read already, by the stream declared at %s: use that stream again", n.Source.Topic, first.Site)
			continue
		}
		sources[n.Source.Topic] = n
	}
	t.findGlobals(add)
	t.findSources(add)
	if len(sources) == 0 && !fed {
		e.Findings = append(e.Findings, Finding{Problem: "the topology reads no topic: begin with From or FromSource"})
	}
	plan := graph.NewPlan(&t.graph, groupPlaceholder)
	for _, part := range plan.SubTopologies {
		stores, operations := map[string]*graph.Node{}, map[string]*graph.Node{}
		for _, s := range part.Stores {
			if err := checkNamePart(s.Name); err != nil {
				add(s.Node, "name of the store: %v", err)
			}
			if first, ok := stores[s.Name]; ok {
				add(s.Node, "the store %q belongs to the operator declared at %s already: give one of them another name", s.Name, first.Site)
				continue
			}
			stores[s.Name] = s.Node
		}
		for _, n := range part.Nodes {
			if n.Sink == nil || n.Sink.Repartition == "" {
				continue
			}
			if first, ok := operations[n.Sink.Repartition]; ok {
				if !n.Sink.Attached || !first.Sink.Attached { // joins have stores, which say it
					add(n, "the stream is grouped under this name already, at %s: give one of the operations another name", first.Site)
				}
				continue
			}
			operations[n.Sink.Repartition] = n
		}
	}
	findSharedStores(plan, add)
	t.findCycles(add)
	findRepartitionLoops(plan, add)
	findCollisions(plan, add)
	t.findChangedKeys(add)
	t.findKeyCodecs(add)
	t.findUnread(e.Findings, add)
	e.Findings = append(e.Findings, t.findUnfinished()...)
	if len(e.Findings) == 0 {
		return nil
	}
	return &e
}

// findSharedStores reports stores that two streams use. Their tasks are not the same, and may run on other machines: each
// would have a state of its own.
func findSharedStores(plan *graph.Plan, add addFinding) {
	type use struct {
		part *graph.SubTopology
		node *graph.Node
	}
	first := map[any]use{} // by handle
	for _, part := range plan.SubTopologies {
		for _, n := range part.Nodes {
			for _, name := range n.Stores {
				handle := n.Shared[name]
				if handle == nil {
					continue
				}
				if u, ok := first[handle]; !ok {
					first[handle] = use{part, n}
				} else if u.part != part {
					add(n, "the store %q belongs to the stream %q, by the operator declared at %s, and this is the stream %q: "+
						"streams do not share state; declare another store", name, u.part.StreamID, u.node.Site, part.StreamID)
				}
			}
		}
	}
}

// findGlobals reports topics that are read as a global table twice: each would be in memory twice.
func (t *Topology) findGlobals(add addFinding) {
	first := map[string]*graph.Node{}
	for _, n := range t.graph.Nodes {
		switch {
		case n.Global == nil:
		case first[n.Global.Topic] != nil:
			add(n, "topic %q is a global table already, declared at %s: use that table again", n.Global.Topic, first[n.Global.Topic].Site)
		default:
			first[n.Global.Topic] = n
		}
	}
}

// addFinding adds a finding about a node.
type addFinding func(n *graph.Node, format string, args ...any)

// findCycles reports sinks that write a topic from which, over any number of topics, they are fed: each record would come
// back for ever.
func (t *Topology) findCycles(add addFinding) {
	readers := map[string][]*graph.Node{}       // by topic
	groups := map[*graph.Node]*graph.Node{}     // by the node that writes the internal topic
	next := func(n *graph.Node) []*graph.Node { // where the records of a node go
		switch {
		case n.Sink == nil:
			return n.Children
		case n.Sink.Repartition != "":
			return []*graph.Node{groups[n]}
		default:
			return readers[n.Sink.Topic]
		}
	}
	for _, n := range t.graph.Nodes {
		switch {
		case n.Source == nil, n.Source.Slots > 0:
		case n.Source.Repartition != nil:
			groups[n.Source.Repartition] = n
		default:
			readers[n.Source.Topic] = append(readers[n.Source.Topic], n)
		}
	}
	for _, sink := range t.graph.Nodes {
		if sink.Sink == nil || sink.Sink.Repartition != "" {
			continue
		}
		if reachable(sink, next)[sink] {
			add(sink, "topic %q feeds the stream that is written to it: records would go round for ever", sink.Sink.Topic)
		}
	}
}

// findRepartitionLoops reports operations with a result that is merged with their own input. The tasks would read the topic
// that they write, and its name, which is made of those of the topics that they read, would contain itself.
func findRepartitionLoops(plan *graph.Plan, add addFinding) {
	writers := func(part *graph.SubTopology) (parts []*graph.SubTopology) { // of the internal topics that a part reads
		for _, n := range part.Sources {
			if w := n.Source.Repartition; w != nil && !n.Source.Attached() {
				parts = append(parts, plan.PartOf(w))
			}
		}
		return parts
	}
	for _, part := range plan.SubTopologies {
		if !reachable(part, writers)[part] {
			continue
		}
		for _, n := range part.Sources {
			if w := n.Source.Repartition; w != nil && !n.Source.Attached() && (plan.PartOf(w) == part || reachable(plan.PartOf(w), writers)[part]) {
				add(w, "the grouped stream is merged with one that it is made of: write it to a topic of its own, and read that")
			}
		}
	}
}

// reachable returns the nodes that can be reached from a node in one step or more.
func reachable[N comparable](from N, next func(N) []N) map[N]bool {
	seen := map[N]bool{}
	var visit func(N)
	visit = func(n N) {
		for _, m := range next(n) {
			if !seen[m] {
				seen[m] = true
				visit(m)
			}
		}
	}
	visit(from)
	return seen
}

// findCollisions reports streams that would share internal topics. Their ids are names of topics joined by "--", which
// may be in the names as well.
func findCollisions(plan *graph.Plan, add addFinding) {
	owners := map[string]*graph.SubTopology{}
	claim := func(name string, part *graph.SubTopology, n *graph.Node) bool {
		if owner := owners[name]; owner != nil && owner != part {
			add(n, "%q is used by the stream declared at %s as well, because of the \"--\" in a name: give the topic or store another name",
				name, owner.Nodes[0].Site)
			return false
		}
		owners[name] = part
		return true
	}
	sameTopic := func(a, b *graph.Node) bool { return plan.Topic(a) == plan.Topic(b) }
	for _, part := range plan.SubTopologies {
		if first := owners[part.StreamID]; first != nil && slices.EqualFunc(first.Sources, part.Sources, sameTopic) {
			continue // a topic that is read twice, which has been reported
		}
		if len(part.Sources) == 0 || !claim(part.StreamID, part, part.Sources[0]) {
			continue
		}
		for _, s := range part.Stores {
			if s.Changelog != "" {
				claim(s.Changelog, part, s.Node)
			}
		}
		for _, n := range part.Nodes {
			if n.Sink != nil && n.Sink.Repartition != "" {
				claim(plan.Topic(n), part, n)
			}
		}
	}
}

// checkTopicName returns the mistake in the name of a topic.
func checkTopicName(name string) error {
	if name == "" {
		return errors.New("the name of the topic is empty")
	}
	err := topicname.Check(name)
	switch {
	case err == nil:
		return nil
	case len(name) > topicname.MaxLength:
		return fmt.Errorf("topic %q...: %w", name[:32], err)
	default:
		return fmt.Errorf("topic %q: %w", name, err)
	}
}

// checkNamePart checks a name that becomes a part of an internal topic's name.
func checkNamePart(name string) error {
	if name == "" {
		return errors.New("it is empty")
	}
	if err := topicname.CheckPart(name); err != nil {
		return fmt.Errorf("%q: %w, and the name is part of a topic's", name, err)
	}
	return nil
}
