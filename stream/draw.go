package stream

import (
	"fmt"
	"strings"

	"github.com/weirstreams/weir/internal/drawing"
	"github.com/weirstreams/weir/internal/graph"
)

// draw returns the boxes and arrows of the topology.
func (t *Topology) draw() drawing.Drawing {
	return drawing.Of(graph.NewPlan(&t.graph, groupPlaceholder))
}

// SVG returns the topology as a picture: a complete SVG document without scripts and without references to other files, with colours for
// light and dark pages. Records go from left to right: topics are rounded boxes, each sub-topology is a frame around its operators, and stores
// and global tables are cylinders. Labels of more than 44 characters are cut; the whole text is the title of the box. The picture depends on the
// topology alone.
func (t *Topology) SVG() string { return t.draw().SVG() }

// Mermaid returns the topology as a flowchart for Mermaid, which GitHub and many wikis render: a frame per sub-topology,
// operators as boxes, stores and global tables as cylinders, topics as rounded boxes.
func (t *Topology) Mermaid() string {
	d := t.draw()
	quote := func(label string) string {
		return `"` + strings.NewReplacer(`"`, "#quot;", "<", "#lt;", ">", "#gt;").Replace(label) + `"`
	}
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	for _, box := range d.Topics {
		fmt.Fprintf(&b, "  %s([%s])\n", box, quote(d.Labels[box]))
	}
	for _, box := range d.Globals {
		fmt.Fprintf(&b, "  %s[(%s)]\n", box, quote(d.Labels[box]))
	}
	for i, p := range d.Parts {
		fmt.Fprintf(&b, "  subgraph p%d [%s]\n", i+1, quote(p.Title))
		for _, box := range p.Operators {
			fmt.Fprintf(&b, "    %s[%s]\n", box, quote(d.Labels[box]))
		}
		for _, box := range p.Stores {
			fmt.Fprintf(&b, "    %s[(%s)]\n", box, quote(d.Labels[box]))
		}
		b.WriteString("  end\n")
	}
	for _, a := range d.Arrows {
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
	for _, box := range d.Topics {
		fmt.Fprintf(&b, "  %s [shape=ellipse, label=%s];\n", box, quote(d.Labels[box]))
	}
	for _, box := range d.Globals {
		fmt.Fprintf(&b, "  %s [shape=cylinder, label=%s];\n", box, quote(d.Labels[box]))
	}
	for i, p := range d.Parts {
		fmt.Fprintf(&b, "  subgraph cluster_%d {\n    label=%s;\n", i+1, quote(p.Title))
		for _, box := range p.Operators {
			fmt.Fprintf(&b, "    %s [shape=box, label=%s];\n", box, quote(d.Labels[box]))
		}
		for _, box := range p.Stores {
			fmt.Fprintf(&b, "    %s [shape=cylinder, label=%s];\n", box, quote(d.Labels[box]))
		}
		b.WriteString("  }\n")
	}
	for _, a := range d.Arrows {
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
