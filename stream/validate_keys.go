package stream

import (
	"github.com/weirstreams/weir/internal/graph"
)

// partitionRemedy is the end of findings about records that are not in the partitions of their keys.
const partitionRemedy = "so that the state of one key may be in several tasks: call GroupByKey in between or, if all records of " +
	"a key are in one partition by construction, AssumePartitioned"

// keyed reports whether a node relies on it that all records of a key come to one task.
func keyed(n *graph.Node) bool {
	return n.Keyed || len(n.Stores) > 0 && n.External == nil // the store of a sink has nothing of keys
}

// findChangedKeys reports operators with state, windows, tables and joins that get records outside of the partitions of their
// keys: an operator before them has changed the key, or the topology has chosen the partitions of the topic.
func (t *Topology) findChangedKeys(add addFinding) {
	placed := map[string]*graph.Node{} // sinks that choose partitions, by topic
	for _, n := range t.graph.Nodes {
		if n.Sink != nil && n.Sink.Placed && placed[n.Sink.Topic] == nil {
			placed[n.Sink.Topic] = n
		}
	}
	for _, n := range t.graph.Nodes {
		switch {
		case n.Rekeys:
			for _, k := range nextKeyed(n) {
				add(k, "the key is changed at %s (%s), and the records stay in their partitions, %s", n.Site, n, partitionRemedy)
			}
		case n.Source != nil && n.Source.Repartition == nil && n.Source.Slots == 0 && placed[n.Source.Topic] != nil:
			for _, k := range nextKeyed(n) {
				add(k, "topic %q, which is read at %s, is written at %s with Write.Partition, and not by the hash of the key, %s",
					n.Source.Topic, n.Site, placed[n.Source.Topic].Site, partitionRemedy)
			}
		}
	}
}

// nextKeyed returns the first nodes below n that rely on the partition of a key. Below them, and below another change of the
// key, the remedy of the first is that of all.
func nextKeyed(n *graph.Node) (found []*graph.Node) {
	seen := map[*graph.Node]bool{}
	var visit func(*graph.Node)
	visit = func(n *graph.Node) {
		for _, c := range n.Children {
			if seen[c] || c.Partitioned {
				continue
			}
			seen[c] = true
			switch {
			case keyed(c):
				found = append(found, c)
			case !c.Rekeys:
				visit(c)
			}
		}
	}
	visit(n)
	return found
}

// findKeyCodecs reports joins, and operators with state behind a merge, if their inputs encode the same keys in different
// ways: the partition is the hash of the bytes.
func (t *Topology) findKeyCodecs(add addFinding) {
	type pair struct{ a, b *graph.Node }
	reported := map[pair]bool{}
	for _, n := range t.graph.Nodes {
		if !keyed(n) {
			continue
		}
		var first *graph.Node
		for _, origin := range origins(n) {
			switch {
			case first == nil:
				first = origin
			case keyName(first) != keyName(origin) && !reported[pair{first, origin}]:
				reported[pair{first, origin}] = true
				add(n, "the keys of %s (%s) are %s, and those of %s (%s) are %s: equal keys are in different partitions unless their "+
					"bytes are the same; send one of them through GroupByKeyWith and the codec of the other, or call AssumePartitioned",
					first, first.Site, keyName(first), origin, origin.Site, keyName(origin))
			}
		}
	}
}

// origins returns the sources that have chosen the partitions of the records that come to a node.
func origins(n *graph.Node) (found []*graph.Node) {
	seen := map[*graph.Node]bool{}
	var visit func(*graph.Node)
	visit = func(n *graph.Node) {
		for _, p := range n.Parents {
			if seen[p] || p.Partitioned || p.Rekeys { // vouched for, or reported
				continue
			}
			seen[p] = true
			if p.Source != nil && keyName(p) != "" {
				found = append(found, p)
			}
			visit(p)
		}
	}
	visit(n)
	return found
}

// keyName names the codec of the keys of a source. It is empty for topics that a join writes for itself.
func keyName(source *graph.Node) string {
	if w := source.Source.Repartition; w != nil {
		return w.Sink.Key
	}
	return source.Source.Key
}
