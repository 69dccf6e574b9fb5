package stream

import (
	"slices"

	"github.com/weirstreams/weir/internal/graph"
)

// findUnfinished returns findings about windows without Aggregate, Final, Current or Suppress. They have no nodes.
func (t *Topology) findUnfinished() (findings []Finding) {
	for _, u := range t.graph.Unfinished {
		if u.Done {
			continue
		}
		findings = append(findings, Finding{Site: u.Site, Node: u.Name, Problem: u.Problem})
		if err := u.Check(); err != nil {
			findings = append(findings, Finding{Site: u.Site, Node: u.Name, Problem: err.Error()})
		}
	}
	return findings
}

// findUnread reports streams and tables that nothing reads: they have no effect. Nodes that were found
// to be wrong already are left out.
func (t *Topology) findUnread(found []Finding, add addFinding) {
	wrong := map[string]bool{} // by site
	for _, f := range found {
		wrong[f.Site] = true
	}
	readers := map[*graph.Node]*graph.Node{} // by the node that writes the internal topic
	joined := map[*graph.Node]bool{}         // global tables
	for _, n := range t.graph.Nodes {
		if n.Source != nil && n.Source.Repartition != nil {
			readers[n.Source.Repartition] = n
		}
		for _, g := range n.Globals {
			joined[g] = true
		}
	}
	useful := map[*graph.Node]bool{}
	for _, n := range slices.Backward(t.graph.Nodes) { // readers come after writers
		switch {
		case n.Effect, n.Sink != nil && (n.Sink.Repartition == "" || n.Sink.Attached):
			useful[n] = true
		case n.Sink != nil:
			useful[n] = useful[readers[n]]
		default:
			useful[n] = slices.ContainsFunc(n.Children, func(c *graph.Node) bool { return useful[c] })
		}
	}
	for _, n := range t.graph.Nodes {
		switch {
		case len(n.Children) > 0 || n.Sink != nil || n.Effect || wrong[n.Site]:
		case n.Global != nil:
			if !joined[n] {
				add(n, "no join uses this global table: join it, or do not declare it")
			}
		case n.Kind == "branch" || n.Kind == "fanout":
			add(n, "the branches have no case: add When, Match or Otherwise")
		case slices.Contains([]graph.Kind{"table", "jointables", "joinforeignkey", "maptable", "filtertable", "aggregategroups", "cogroup", "versionedtable"}, n.Kind):
			add(n, "nothing reads this table: join it, or write it with To")
		case drops(n) && useful[n.Parents[0]]:
		default:
			add(n, "nothing reads this stream: continue with the result of the call, end it with To or Sink, or remove it")
		}
	}
}

// drops reports whether a node takes records from the cases of a branch that come after it.
func drops(n *graph.Node) bool {
	return (n.Kind == "when" || n.Kind == "match") && n.Parents[0].Kind == "branch"
}
