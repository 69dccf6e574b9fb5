// Package drawing draws topologies: boxes and arrows, their places, and a picture of them.
package drawing

import (
	"fmt"

	"github.com/weirstreams/weir/internal/graph"
)

// Drawing is a topology as boxes and arrows. Names of boxes are n1, t1, s1 and g1 for operators, topics, stores and global tables; an operator has the
// number of its node, counted from 1.
type Drawing struct {
	Parts []Part
	// Topics, and Globals, which are global tables, are the boxes outside of all parts.
	Topics, Globals []string
	// Arrows go from a box to another.
	Arrows [][2]string
	Labels map[string]string
}

// Part is a sub-topology: a frame around its operators and stores.
type Part struct {
	Title             string
	Operators, Stores []string
}

// Operator returns the name of the box of a node.
func Operator(n *graph.Node) string { return fmt.Sprintf("n%d", n.ID+1) }

// Of returns the boxes and arrows of a topology.
func Of(plan *graph.Plan) Drawing {
	d := Drawing{Labels: map[string]string{}}
	topics := map[string]string{}
	topic := func(name string) string {
		if topics[name] == "" {
			box := fmt.Sprintf("t%d", len(topics)+1)
			topics[name], d.Labels[box] = box, name
			d.Topics = append(d.Topics, box)
		}
		return topics[name]
	}
	globals := map[*graph.Node]string{}
	for i, n := range plan.Globals {
		box := fmt.Sprintf("g%d", i+1)
		globals[n], d.Labels[box] = box, n.String()
		d.Globals = append(d.Globals, box)
		d.Arrows = append(d.Arrows, [2]string{topic(plan.Topic(n)), box})
	}
	stores := 0
	for _, part := range plan.SubTopologies {
		p := Part{Title: part.StreamID}
		boxes := map[string]string{}
		for _, s := range part.Stores {
			stores++
			box := fmt.Sprintf("s%d", stores)
			boxes[s.Name], d.Labels[box] = box, s.Name
			if s.Changelog == "" {
				d.Labels[box] += " (no changelog)"
			}
			p.Stores = append(p.Stores, box)
		}
		for _, n := range part.Nodes {
			box := Operator(n)
			d.Labels[box] = n.String()
			p.Operators = append(p.Operators, box)
			if n.Source != nil {
				d.Arrows = append(d.Arrows, [2]string{topic(plan.Topic(n)), box})
			}
			for _, c := range n.Children {
				d.Arrows = append(d.Arrows, [2]string{box, Operator(c)})
			}
			for _, s := range n.Stores {
				d.Arrows = append(d.Arrows, [2]string{box, boxes[s]})
			}
			for _, g := range n.Globals {
				d.Arrows = append(d.Arrows, [2]string{globals[g], box})
			}
			if name := plan.Topic(n); n.Sink != nil && name != "" {
				d.Arrows = append(d.Arrows, [2]string{box, topic(name)})
			}
		}
		d.Parts = append(d.Parts, p)
	}
	return d
}
