package layered_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/layered"
)

var gaps = layered.Gaps{Columns: 40, Rows: 10, Arrows: 5}

// arrows are edges by pairs of boxes.
func arrows(ends ...int) (edges []layered.Edge) {
	for i := 0; i < len(ends); i += 2 {
		edges = append(edges, layered.Edge{From: ends[i], To: ends[i+1]})
	}
	return edges
}

// points are places by pairs of numbers.
func points(of ...float64) (list []layered.Point) {
	for i := 0; i < len(of); i += 2 {
		list = append(list, layered.Point{X: of[i], Y: of[i+1]})
	}
	return list
}

func TestAChainIsALine(t *testing.T) {
	nodes := []layered.Node{{Width: 50, Height: 20}, {Width: 30, Height: 40}, {Width: 50, Height: 20}}
	got := layered.Place(nodes, arrows(0, 1, 1, 2), gaps)
	want := layered.Drawing{
		Corners: points(0, 10, 90, 0, 160, 10),
		Routes: [][]layered.Point{
			points(50, 20, 50, 20, 90, 20, 90, 20),
			points(120, 20, 120, 20, 160, 20, 160, 20),
		},
		Size: layered.Point{X: 210, Y: 40},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnArrowPassesAColumnBesideItsBoxes(t *testing.T) {
	nodes := []layered.Node{{Width: 10, Height: 10}, {Width: 10, Height: 10}, {Width: 10, Height: 10}}
	got := layered.Place(nodes, arrows(0, 1, 1, 2, 0, 2), gaps)
	through := got.Routes[2][2:4]
	top := got.Corners[1].Y
	if y := through[0].Y; y != through[1].Y || y > top-gaps.Arrows && y < top+10+gaps.Arrows {
		t.Errorf("the arrow passes at %v a box that begins at %v", through, top)
	}
}

func TestArrowsThatNeedNotCrossDoNot(t *testing.T) {
	// Declared so that the order of the declarations would cross all.
	nodes := make([]layered.Node, 8)
	for i := range nodes {
		nodes[i] = layered.Node{Width: 10, Height: 10}
	}
	got := layered.Place(nodes, arrows(0, 7, 1, 6, 2, 5, 3, 4), gaps)
	for i, r := range got.Routes {
		if r[0].Y != r[3].Y {
			t.Errorf("arrow %d is not level: %v", i, r)
		}
	}
}

func TestACircleIsDrawn(t *testing.T) {
	nodes := []layered.Node{{Width: 10, Height: 10}, {Width: 10, Height: 10}}
	got := layered.Place(nodes, arrows(0, 1, 1, 0, 1, 1), gaps)
	back := got.Routes[1]
	if len(back) != 4 || back[0].X != 50 || back[3].X != 10 || got.Routes[2] != nil {
		t.Errorf("the routes are %v", got.Routes)
	}
}

// Whatever the graph: no two boxes touch, each arrow goes from its box to its box, and none goes through a box.
func TestRandomGraphs(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		nodes := make([]layered.Node, r.IntN(60))
		for i := range nodes {
			nodes[i] = layered.Node{Width: 1 + 99*r.Float64(), Height: 1 + 99*r.Float64(), Below: 20 * float64(r.IntN(2)), Last: r.IntN(4) == 0}
		}
		var edges []layered.Edge
		for range r.IntN(2*len(nodes) + 1) {
			edges = append(edges, layered.Edge{From: r.IntN(len(nodes)), To: r.IntN(len(nodes))})
		}
		d := layered.Place(nodes, edges, gaps)
		if err := check(nodes, edges, d); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		if diff := cmp.Diff(d, layered.Place(nodes, edges, gaps)); diff != "" {
			t.Errorf("seed %d: another drawing the second time", seed)
		}
	}
}

const tolerance = 1e-6

func check(nodes []layered.Node, edges []layered.Edge, d layered.Drawing) error {
	for i, a := range d.Corners {
		if a.X < 0 || a.Y < -tolerance || a.X+nodes[i].Width > d.Size.X+tolerance || a.Y+nodes[i].Height+nodes[i].Below > d.Size.Y+tolerance {
			return fmt.Errorf("box %d is outside", i)
		}
		for j := range i {
			b := d.Corners[j]
			if a.X < b.X+nodes[j].Width && b.X < a.X+nodes[i].Width && a.Y < b.Y+nodes[j].Height+nodes[j].Below+gaps.Rows-tolerance && b.Y < a.Y+nodes[i].Height+nodes[i].Below+gaps.Rows-tolerance {
				return fmt.Errorf("boxes %d and %d touch", j, i)
			}
		}
	}
	for i, e := range edges {
		route := d.Routes[i]
		if e.From == e.To {
			continue
		}
		begin, end := route[0], route[len(route)-1]
		if begin.X > end.X {
			begin, end = end, begin
			e.From, e.To = e.To, e.From
		}
		from, to := d.Corners[e.From], d.Corners[e.To]
		if !near(begin, layered.Point{X: from.X + nodes[e.From].Width, Y: from.Y + nodes[e.From].Height/2}) || !near(end, layered.Point{X: to.X, Y: to.Y + nodes[e.To].Height/2}) {
			return fmt.Errorf("arrow %d goes from %v to %v", i, begin, end)
		}
		for p := 0; p < len(route); p += 2 {
			if route[p].Y != route[p+1].Y {
				return fmt.Errorf("arrow %d is not level in a column", i)
			}
			for n, c := range d.Corners {
				low, high := min(route[p].X, route[p+1].X), max(route[p].X, route[p+1].X)
				if high > c.X+tolerance && low < c.X+nodes[n].Width-tolerance && route[p].Y > c.Y && route[p].Y < c.Y+nodes[n].Height+nodes[n].Below {
					return fmt.Errorf("arrow %d goes through box %d", i, n)
				}
			}
		}
	}
	return nil
}

func near(a, b layered.Point) bool {
	return a.X-b.X < tolerance && b.X-a.X < tolerance && a.Y-b.Y < tolerance && b.Y-a.Y < tolerance
}
