//go:build interop

package avro_test

import "slices"

// writer returns a schema whose data a reader may meet: it differs from the reader's schema as schema evolution allows, and
// sometimes beyond. It gives the reader's types aliases where the names differ.
func (g *generator) writer(n *node) *node {
	return (&evolution{g, map[string]*node{}}).of(n)
}

type evolution struct {
	*generator
	known map[string]*node // by the reader's name
}

func (e *evolution) of(n *node) *node {
	if n.name != "" {
		if known := e.known[n.name]; known != nil {
			return known
		}
	}
	out := *n
	out.aliases = nil
	if n.name != "" {
		e.known[n.name] = &out
		if n.logical == "" && e.one(6) {
			out.name = e.newName()
			n.aliases = []string{out.name}
		}
	}
	if n.kind != "union" && n.kind != "null" && e.one(10) {
		inner := e.inside(n, &out)
		return e.nullable(inner)
	}
	return e.inside(n, &out)
}

func (e *evolution) inside(n, out *node) *node {
	switch n.kind {
	case "long":
		if n.logical == "" && e.one(3) {
			return &node{kind: "int"}
		}
	case "float":
		return &node{kind: pick(e.generator, "int", "long", "float", "float", "float")}
	case "double":
		return &node{kind: pick(e.generator, "int", "long", "float", "double", "double", "double")}
	case "bytes":
		if n.logical == "" && e.one(4) {
			return &node{kind: "string"}
		}
	case "enum":
		out.symbols = slices.Clone(n.symbols)
		if e.one(3) {
			out.symbols = append(out.symbols, "E")
		}
		e.Shuffle(len(out.symbols), func(i, j int) { out.symbols[i], out.symbols[j] = out.symbols[j], out.symbols[i] })
	case "array", "map":
		out.item = e.of(n.item)
	case "union":
		out.branches = nil
		for _, b := range n.branches {
			out.branches = append(out.branches, e.branch(b))
		}
		e.Shuffle(len(out.branches), func(i, j int) { out.branches[i], out.branches[j] = out.branches[j], out.branches[i] })
		if n.refersBack() {
			return out // without the null, values would have no end
		}
		if e.one(4) {
			return out.branches[0]
		}
		if len(out.branches) > 2 && e.one(3) {
			out.branches = out.branches[1:]
		}
	case "record":
		out.fields = nil
		for _, f := range n.fields {
			if chance := 30; f.initial != (missing{}) && e.one(3) || e.one(chance) {
				continue // the reader takes the default, if it has one
			}
			written := &field{name: f.name, node: e.of(f.node), initial: missing{}}
			if e.one(6) {
				written.name = f.name + "Old"
				f.aliases = []string{written.name}
			}
			out.fields = append(out.fields, written)
		}
		if e.one(4) {
			out.fields = append(out.fields, &field{name: "more", node: e.any(1), initial: missing{}})
		}
		e.Shuffle(len(out.fields), func(i, j int) { out.fields[i], out.fields[j] = out.fields[j], out.fields[i] })
	}
	return out
}

// branch is of for the branches of a union, which keep their kinds so that no two are alike.
func (e *evolution) branch(n *node) *node {
	switch n.kind {
	case "array", "map", "record", "enum":
		for {
			if out := e.of(n); out.kind == n.kind {
				return out
			}
			delete(e.known, n.name)
		}
	}
	out := *n
	if n.name != "" {
		e.known[n.name] = &out
	}
	return &out
}
