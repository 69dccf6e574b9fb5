// Package layered places the boxes of a directed graph in columns, from left to right, and routes the arrows between them.
//
// It is the method of Sugiyama, Tagawa and Toda (Methods for Visual Understanding of Hierarchical System Structures, 1981): each box
// goes into the column behind those that point at it, boxes of a column are ordered so that few arrows cross, and each is moved to the
// mean height of its neighbours, as far as the others of its column let it.
package layered

import (
	"cmp"
	"slices"
)

// Node is a box.
type Node struct {
	Width, Height float64
	// Below is room that is kept free under the box. Arrows end at the middle of the box.
	Below float64
	// Last puts a box that points at nothing into the last column.
	Last bool
}

// Edge is an arrow between two boxes, by their indexes.
type Edge struct{ From, To int }

// Point is a place. X grows to the right, and Y down.
type Point struct{ X, Y float64 }

// Gaps are the distances between columns, between the boxes of a column, and between an arrow that passes a column and its neighbours.
type Gaps struct{ Columns, Rows, Arrows float64 }

// Drawing is the result of [Place].
type Drawing struct {
	// Corners are the upper left corners of the boxes.
	Corners []Point
	// Routes are the arrows, by the edges: an even number of points, of which each two are the ends of a level line through or in a column.
	// Between them the arrow crosses the gap between two columns. An arrow from a box to itself has no points.
	Routes [][]Point
	Size   Point
}

// place is a box, or an arrow that passes a column.
type place struct {
	node          int // -1 for an arrow
	width, height float64
	below         float64
	column        int
	left, right   []int   // neighbours in the columns beside
	y             float64 // of its middle
}

type layout struct {
	gaps    Gaps
	places  []place
	columns [][]int // from the top
}

// Place lays a graph out. Arrows that close a circle are drawn backwards. The result depends on the arguments alone.
func Place(nodes []Node, edges []Edge, gaps Gaps) Drawing {
	forward := withoutCircles(len(nodes), edges)
	l := &layout{gaps: gaps}
	for i, n := range nodes {
		l.places = append(l.places, place{node: i, width: n.Width, height: n.Height, below: n.Below})
	}
	l.choose(nodes, forward)
	chains := l.pass(forward)
	l.order()
	l.level()
	return l.draw(len(nodes), edges, forward, chains)
}

// withoutCircles returns the edges with those turned round that close a circle, as a search from each node in turn finds them.
func withoutCircles(nodes int, edges []Edge) []Edge {
	leaving := make([][]int, nodes)
	for i, e := range edges {
		leaving[e.From] = append(leaving[e.From], i)
	}
	forward := slices.Clone(edges)
	const unseen, open, done = 0, 1, 2
	state := make([]int, nodes)
	var visit func(n int)
	visit = func(n int) {
		state[n] = open
		for _, i := range leaving[n] {
			switch to := edges[i].To; state[to] {
			case unseen:
				visit(to)
			case open:
				forward[i] = Edge{to, n}
			}
		}
		state[n] = done
	}
	for n := range nodes {
		if state[n] == unseen {
			visit(n)
		}
	}
	return forward
}

// choose gives each box a column: behind all that point at it, and, if nothing does, before the first that it points at.
func (l *layout) choose(nodes []Node, edges []Edge) {
	for changed := true; changed; {
		changed = false
		for _, e := range edges {
			if e.From != e.To && l.places[e.To].column <= l.places[e.From].column {
				l.places[e.To].column, changed = l.places[e.From].column+1, true
			}
		}
	}
	last := 0
	first := make([]int, len(nodes)) // the first column that a box points at, 0 for none
	entered := make([]bool, len(nodes))
	for _, e := range edges {
		if e.From == e.To {
			continue
		}
		entered[e.To] = true
		if to := l.places[e.To].column; first[e.From] == 0 || to < first[e.From] {
			first[e.From] = to
		}
	}
	for i := range nodes {
		last = max(last, l.places[i].column)
	}
	for i, n := range nodes {
		if first[i] > 0 && !entered[i] {
			l.places[i].column = first[i] - 1
		}
		if first[i] == 0 && n.Last {
			l.places[i].column = last
		}
	}
	l.columns = make([][]int, last+1)
	for i := range nodes {
		c := l.places[i].column
		l.columns[c] = append(l.columns[c], i)
	}
}

// pass gives each edge a place in the columns that it passes, and returns its places.
func (l *layout) pass(edges []Edge) [][]int {
	chains := make([][]int, len(edges))
	for i, e := range edges {
		if e.From == e.To {
			continue
		}
		chain := []int{e.From}
		for c := l.places[e.From].column + 1; c < l.places[e.To].column; c++ {
			l.places = append(l.places, place{node: -1, column: c})
			chain = append(chain, len(l.places)-1)
			l.columns[c] = append(l.columns[c], len(l.places)-1)
		}
		chains[i] = append(chain, e.To)
		for j := 1; j < len(chains[i]); j++ {
			a, b := chains[i][j-1], chains[i][j]
			l.places[a].right = append(l.places[a].right, b)
			l.places[b].left = append(l.places[b].left, a)
		}
	}
	return chains
}

// sweeps is how often the columns are ordered, and levelled, from each side.
const sweeps = 12

// order orders the columns by the mean ranks of neighbours, and keeps the order with the fewest crossings.
func (l *layout) order() {
	best, fewest := l.copyColumns(), l.crossings()
	rank := make([]float64, len(l.places))
	for s := range 2 * sweeps {
		for _, c := range l.columns {
			for r, p := range c {
				rank[p] = float64(r)
			}
		}
		for step := range l.columns {
			column, neighbours := l.columns[step], func(p int) []int { return l.places[p].left }
			if s%2 == 1 {
				column, neighbours = l.columns[len(l.columns)-1-step], func(p int) []int { return l.places[p].right }
			}
			wanted := map[int]float64{}
			for _, p := range column {
				wanted[p] = mean(neighbours(p), func(n int) float64 { return rank[n] }, rank[p])
			}
			slices.SortStableFunc(column, func(a, b int) int { return cmp.Compare(wanted[a], wanted[b]) })
			for r, p := range column {
				rank[p] = float64(r)
			}
		}
		if n := l.crossings(); n < fewest {
			best, fewest = l.copyColumns(), n
		}
	}
	l.columns = best
}

func (l *layout) copyColumns() [][]int {
	columns := make([][]int, len(l.columns))
	for i, c := range l.columns {
		columns[i] = slices.Clone(c)
	}
	return columns
}

// crossings counts pairs of arrows that cross between two columns.
func (l *layout) crossings() (n int) {
	rank := make([]int, len(l.places))
	for _, c := range l.columns {
		for r, p := range c {
			rank[p] = r
		}
	}
	for _, column := range l.columns {
		var ends []int // ranks on the right, by those on the left
		for _, p := range column {
			from := len(ends)
			for _, to := range l.places[p].right {
				ends = append(ends, rank[to])
			}
			slices.Sort(ends[from:])
		}
		for i, a := range ends {
			for _, b := range ends[i+1:] {
				if b < a {
					n++
				}
			}
		}
	}
	return n
}

func mean(of []int, value func(int) float64, otherwise float64) float64 {
	if len(of) == 0 {
		return otherwise
	}
	sum := 0.0
	for _, n := range of {
		sum += value(n)
	}
	return sum / float64(len(of))
}

// level gives each place a height: near the mean of its neighbours, in the order of its column, and without touching others.
func (l *layout) level() {
	for _, column := range l.columns {
		l.spread(column, func(int) float64 { return 0 })
	}
	for s := range 2 * sweeps {
		for step := range l.columns {
			column, side := l.columns[step], func(p place) []int { return p.left }
			if s%2 == 1 {
				column, side = l.columns[len(l.columns)-1-step], func(p place) []int { return p.right }
			}
			if s >= 2*sweeps-2 { // at last by both sides
				side = func(p place) []int { return append(slices.Clone(p.left), p.right...) }
			}
			l.spread(column, func(p int) float64 {
				return mean(side(l.places[p]), func(n int) float64 { return l.places[n].y }, l.places[p].y)
			})
		}
	}
	top := 0.0
	for i, p := range l.places {
		if y := p.y - p.height/2; i == 0 || y < top {
			top = y
		}
	}
	for i := range l.places {
		l.places[i].y -= top
	}
}

// spread moves the places of a column as near to the wanted heights as their order and their distances allow: the least squares under an
// order, by pooling neighbours that would overlap.
func (l *layout) spread(column []int, wanted func(p int) float64) {
	type pool struct {
		sum   float64
		count int
	}
	offsets := make([]float64, len(column)) // of the middle of a place from that of the first one, if all touch
	wants := make([]float64, len(column))
	for i, p := range column {
		if i > 0 {
			offsets[i] = offsets[i-1] + l.distance(column[i-1], p)
		}
		wants[i] = wanted(p) - offsets[i]
	}
	var pools []pool
	for _, w := range wants {
		pools = append(pools, pool{w, 1})
		for len(pools) > 1 {
			a, b := pools[len(pools)-2], pools[len(pools)-1]
			if a.sum/float64(a.count) < b.sum/float64(b.count) {
				break
			}
			pools = append(pools[:len(pools)-2], pool{a.sum + b.sum, a.count + b.count})
		}
	}
	i := 0
	for _, p := range pools {
		for range p.count {
			l.places[column[i]].y = p.sum/float64(p.count) + offsets[i]
			i++
		}
	}
}

// distance is the least one between the middles of two neighbours of a column.
func (l *layout) distance(a, b int) float64 {
	gap := l.gaps.Rows
	if l.places[a].node < 0 || l.places[b].node < 0 {
		gap = l.gaps.Arrows
	}
	return l.places[a].height/2 + l.places[a].below + gap + l.places[b].height/2
}

func (l *layout) draw(nodes int, edges, forward []Edge, chains [][]int) Drawing {
	d := Drawing{Corners: make([]Point, nodes), Routes: make([][]Point, len(edges))}
	left, right := make([]float64, len(l.columns)), make([]float64, len(l.columns))
	x := 0.0
	for c, column := range l.columns {
		width := 0.0
		for _, p := range column {
			width = max(width, l.places[p].width)
		}
		left[c], right[c] = x, x+width
		x += width + l.gaps.Columns
	}
	for i := range nodes {
		p := l.places[i]
		d.Corners[i] = Point{left[p.column], p.y - p.height/2}
		d.Size.Y = max(d.Size.Y, p.y+p.height/2+p.below)
	}
	for _, p := range l.places[nodes:] {
		d.Size.Y = max(d.Size.Y, p.y)
	}
	if len(l.columns) > 0 && nodes > 0 {
		d.Size.X = right[len(right)-1]
	}
	for i, chain := range chains {
		var route []Point
		for j, n := range chain {
			p := l.places[n]
			switch {
			case j == 0:
				route = append(route, Point{left[p.column] + p.width, p.y}, Point{right[p.column], p.y})
			case j == len(chain)-1:
				route = append(route, Point{left[p.column], p.y}, Point{left[p.column], p.y})
			default:
				route = append(route, Point{left[p.column], p.y}, Point{right[p.column], p.y})
			}
		}
		if forward[i] != edges[i] {
			slices.Reverse(route)
		}
		d.Routes[i] = route
	}
	return d
}
