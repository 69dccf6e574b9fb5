package stream

import (
	"fmt"
	"strings"

	"github.com/weirstreams/weir/internal/graph"
)

// groupPlaceholder stands for the consumer group in the names of internal topics.
const groupPlaceholder = "GROUP"

// Describe returns the topology as text: one block per sub-topology with its stream id, and in it the operators as a
// tree, with the topics, stores and global tables that they use and the line that declared them; then the global tables. In
// the names of internal topics, GROUP stands for the consumer group.
func (t *Topology) Describe() string {
	plan := graph.NewPlan(&t.graph, groupPlaceholder)
	var b strings.Builder
	for i, part := range plan.SubTopologies {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "sub-topology %s\n", part.StreamID)
		changelogs := map[string]string{} // by store
		for _, s := range part.Stores {
			changelogs[s.Name] = s.Changelog
		}
		shown := map[*graph.Node]bool{}
		var show func(n *graph.Node, depth int)
		show = func(n *graph.Node, depth int) {
			indent := strings.Repeat("  ", depth)
			fmt.Fprintf(&b, "%s%s", indent, n)
			if shown[n] {
				b.WriteString(" (see above)\n")
				return
			}
			shown[n] = true
			if topic := plan.Topic(n); topic != "" && topic != n.Detail {
				fmt.Fprintf(&b, " [topic %s]", topic)
			}
			fmt.Fprintf(&b, "  (%s)\n", n.Site)
			for _, s := range n.Stores {
				if changelogs[s] == "" {
					fmt.Fprintf(&b, "%s    store %s [no changelog: its state is lost with the machine]\n", indent, s)
					continue
				}
				fmt.Fprintf(&b, "%s    store %s [changelog %s]\n", indent, s, changelogs[s])
			}
			for _, g := range n.Globals {
				fmt.Fprintf(&b, "%s    %s\n", indent, g)
			}
			for _, c := range n.Children {
				show(c, depth+1)
			}
		}
		for _, n := range part.Sources {
			show(n, 1)
		}
	}
	for i, n := range plan.Globals {
		if i == 0 && len(plan.SubTopologies) > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s  (%s)\n", n, n.Site)
	}
	return b.String()
}
