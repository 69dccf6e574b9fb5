package stream

import (
	"fmt"
	"strings"

	"github.com/weirstreams/weir/internal/graph"
)

// drawing is a topology as boxes and arrows.
type drawing struct {
	parts  []drawnPart
	topics []string
	// globals are global tables.
	globals []string
	arrows  [][2]string
	labels  map[string]string
}

// drawnPart is a sub-topology: a frame around its operators and stores.
type drawnPart struct {
	title             string
	operators, stores []string
}

// draw lays out a topology. Names of boxes are n1, t1, s1 and g1 for operators, topics, stores and global tables.
func (t *Topology) draw() drawing {
	plan := graph.NewPlan(&t.graph, groupPlaceholder)
	d := drawing{labels: map[string]string{}}
	topics := map[string]string{}
	topic := func(name string) string {
		if topics[name] == "" {
			box := fmt.Sprintf("t%d", len(topics)+1)
			topics[name], d.labels[box] = box, name
			d.topics = append(d.topics, box)
		}
		return topics[name]
	}
	globals := map[*graph.Node]string{}
	for i, n := range plan.Globals {
		box := fmt.Sprintf("g%d", i+1)
		globals[n], d.labels[box] = box, n.String()
		d.globals = append(d.globals, box)
		d.arrows = append(d.arrows, [2]string{topic(plan.Topic(n)), box})
	}
	stores := 0
	for _, part := range plan.SubTopologies {
		p := drawnPart{title: part.StreamID}
		boxes := map[string]string{}
		for _, s := range part.Stores {
			stores++
			box := fmt.Sprintf("s%d", stores)
			boxes[s.Name], d.labels[box] = box, s.Name
			if s.Changelog == "" {
				d.labels[box] += " (no changelog)"
			}
			p.stores = append(p.stores, box)
		}
		for _, n := range part.Nodes {
			box := fmt.Sprintf("n%d", n.ID+1)
			d.labels[box] = n.String()
			p.operators = append(p.operators, box)
			if n.Source != nil {
				d.arrows = append(d.arrows, [2]string{topic(plan.Topic(n)), box})
			}
			for _, c := range n.Children {
				d.arrows = append(d.arrows, [2]string{box, fmt.Sprintf("n%d", c.ID+1)})
			}
			for _, s := range n.Stores {
				d.arrows = append(d.arrows, [2]string{box, boxes[s]})
			}
			for _, g := range n.Globals {
				d.arrows = append(d.arrows, [2]string{globals[g], box})
			}
			if name := plan.Topic(n); n.Sink != nil && name != "" {
				d.arrows = append(d.arrows, [2]string{box, topic(name)})
			}
		}
		d.parts = append(d.parts, p)
	}
	return d
}

// Mermaid returns the topology as a flowchart for Mermaid, which GitHub and many wikis render: a frame per sub-topology,
// operators as boxes, stores and global tables as cylinders, topics as rounded boxes.
func (t *Topology) Mermaid() string {
	d := t.draw()
	quote := func(label string) string {
		return `"` + strings.NewReplacer(`"`, "#quot;", "<", "#lt;", ">", "#gt;").Replace(label) + `"`
	}
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	for _, box := range d.topics {
		fmt.Fprintf(&b, "  %s([%s])\n", box, quote(d.labels[box]))
	}
	for _, box := range d.globals {
		fmt.Fprintf(&b, "  %s[(%s)]\n", box, quote(d.labels[box]))
	}
	for i, p := range d.parts {
		fmt.Fprintf(&b, "  subgraph p%d [%s]\n", i+1, quote(p.title))
		for _, box := range p.operators {
			fmt.Fprintf(&b, "    %s[%s]\n", box, quote(d.labels[box]))
		}
		for _, box := range p.stores {
			fmt.Fprintf(&b, "    %s[(%s)]\n", box, quote(d.labels[box]))
		}
		b.WriteString("  end\n")
	}
	for _, a := range d.arrows {
		arrow := "-->"
		if strings.HasPrefix(a[1], "s") {
			arrow = "<-.->"
		} else if strings.HasPrefix(a[0], "g") {
			arrow = "-.->"
		}
		fmt.Fprintf(&b, "  %s %s %s\n", a[0], arrow, a[1])
	}
	return b.String()
}

// DOT returns the topology as a graph for Graphviz: a cluster per sub-topology, operators as boxes, stores and
// global tables as cylinders, topics as ellipses.
func (t *Topology) DOT() string {
	d := t.draw()
	quote := func(label string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(label) + `"`
	}
	var b strings.Builder
	b.WriteString("digraph topology {\n  rankdir=LR;\n")
	for _, box := range d.topics {
		fmt.Fprintf(&b, "  %s [shape=ellipse, label=%s];\n", box, quote(d.labels[box]))
	}
	for _, box := range d.globals {
		fmt.Fprintf(&b, "  %s [shape=cylinder, label=%s];\n", box, quote(d.labels[box]))
	}
	for i, p := range d.parts {
		fmt.Fprintf(&b, "  subgraph cluster_%d {\n    label=%s;\n", i+1, quote(p.title))
		for _, box := range p.operators {
			fmt.Fprintf(&b, "    %s [shape=box, label=%s];\n", box, quote(d.labels[box]))
		}
		for _, box := range p.stores {
			fmt.Fprintf(&b, "    %s [shape=cylinder, label=%s];\n", box, quote(d.labels[box]))
		}
		b.WriteString("  }\n")
	}
	for _, a := range d.arrows {
		style := ""
		if strings.HasPrefix(a[1], "s") {
			style = " [style=dashed, dir=both]"
		} else if strings.HasPrefix(a[0], "g") {
			style = " [style=dashed]"
		}
		fmt.Fprintf(&b, "  %s -> %s%s;\n", a[0], a[1], style)
	}
	b.WriteString("}\n")
	return b.String()
}
