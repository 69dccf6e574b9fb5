package graph

import "slices"

// ReadOrder returns the sources of a part in the order of reading for records of equal timestamps: the right side of
// a join before its left side, and otherwise in the order of declaration. The names of topics do not count. Where two joins
// contradict each other, as when each of two streams is the right side of a join with the other, the join that was declared
// first decides.
func (part *SubTopology) ReadOrder() []*Node {
	behind := map[*Node][]*Node{} // the sources that a source must precede
	for _, n := range part.Nodes {
		for _, right := range n.Parents {
			if right.RightSide {
				for _, left := range n.Parents {
					if left != right {
						precede(behind, right.FedBy(), left.FedBy())
					}
				}
			}
		}
	}
	left := slices.Clone(part.Sources)
	slices.SortFunc(left, func(a, b *Node) int { return a.ID - b.ID })
	order := make([]*Node, 0, len(left))
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(n *Node) bool {
			return !slices.ContainsFunc(left, func(other *Node) bool { return other != n && reaches(behind, other, n) })
		})
		order = append(order, left[i]) // there is one, as precede closes no circle
		left = slices.Delete(left, i, i+1)
	}
	return order
}

// precede notes that each source of the right side comes before each of the left side, unless the opposite is noted already.
func precede(behind map[*Node][]*Node, right, left []*Node) {
	for _, r := range right {
		for _, l := range left {
			if l != r && !reaches(behind, l, r) {
				behind[r] = append(behind[r], l)
			}
		}
	}
}

// reaches reports whether a source must precede another one, directly or by way of others. behind has no circle.
func reaches(behind map[*Node][]*Node, from, to *Node) bool {
	return from == to || slices.ContainsFunc(behind[from], func(n *Node) bool { return reaches(behind, n, to) })
}

// FedBy returns the sources of the part that a node is fed from, in the order of declaration.
func (n *Node) FedBy() (sources []*Node) {
	seen := map[*Node]bool{}
	var visit func(n *Node)
	visit = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		if n.Source != nil {
			sources = append(sources, n)
		}
		for _, parent := range n.Parents {
			visit(parent)
		}
	}
	visit(n)
	slices.SortFunc(sources, func(a, b *Node) int { return a.ID - b.ID })
	return sources
}
