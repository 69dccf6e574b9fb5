package drawing

import (
	"strings"
	"unicode/utf8"

	"github.com/weirstreams/weir/internal/layered"
)

// Sizes of pictures, in pixels. Labels have a font of fixed width, so that their lengths are known.
const (
	letterWidth  = 7.2
	labelPadding = 12
	boxHeight    = 28
	storeHeight  = 30
	storeGap     = 8
	framePadding = 16
	frameTitle   = 22
	pageMargin   = 12
	longestLabel = 44 // in characters
	// figuresHeight and figuresWidth are the room for figures in a box of a live picture, and rateGap that for the rate of an arrow.
	figuresHeight = 16
	figuresWidth  = 18 * letterWidth
	rateGap       = 30
)

// picture is a drawing with places.
type picture struct {
	live          bool // boxes have a line for figures, and arrows have rates
	frames, boxes []box
	arrows        []arrow
	size          layered.Point
}

// box is a box with a label. Its class is frame, operator, topic, store or global.
type box struct {
	name          string // that of the drawing; a frame has none
	class, label  string
	corner        layered.Point
	width, height float64
	figures       bool // its second line is for figures; height is that of the first
}

// arrow is a line. Those between operators and stores, and from global tables, are dashed.
type arrow struct {
	from, to string // boxes
	route    []layered.Point
	dashed   bool
}

var (
	outerGaps = layered.Gaps{Columns: 44, Rows: 22, Arrows: 10}
	innerGaps = layered.Gaps{Columns: 34, Rows: 14, Arrows: 8}
)

// place places the boxes: operators within the frame of their sub-topology, and frames, topics and global tables on the page.
func (d Drawing) place(live bool) *picture {
	p := &picture{live: live}
	outer := map[string]int{} // boxes to the topic, global table or frame that they are, or are in
	inner := map[string]box{}
	var nodes []layered.Node
	var loose []box
	for _, list := range []struct {
		class string
		boxes []string
	}{{"topic", d.Topics}, {"global", d.Globals}} {
		for _, name := range list.boxes {
			box := p.newBox(name, list.class, d.Labels[name])
			outer[name] = len(nodes)
			nodes = append(nodes, layered.Node{Width: box.width, Height: box.height})
			loose = append(loose, box)
		}
	}
	interiors := make([]interior, len(d.Parts))
	for i, part := range d.Parts {
		interiors[i] = p.newInterior(d, part)
		for _, name := range append(part.Operators, part.Stores...) {
			outer[name] = len(nodes)
		}
		nodes = append(nodes, layered.Node{
			Width: max(interiors[i].size.X, labelWidth(part.Title)) + 2*framePadding, Height: interiors[i].size.Y + frameTitle + 2*framePadding,
		})
	}
	var edges []layered.Edge
	var ends [][2]string
	for _, a := range d.Arrows {
		if from, to := outer[a[0]], outer[a[1]]; from != to {
			edges = append(edges, layered.Edge{From: from, To: to})
			ends = append(ends, a)
		}
	}
	placed := layered.Place(nodes, edges, p.gaps(outerGaps))
	p.size = placed.Size
	for i, box := range loose {
		box.corner = placed.Corners[i]
		p.boxes = append(p.boxes, box)
	}
	for i, in := range interiors {
		corner := placed.Corners[len(loose)+i]
		frame := nodes[len(loose)+i]
		p.frames = append(p.frames, box{class: "frame", label: d.Parts[i].Title, corner: corner, width: frame.Width, height: frame.Height})
		in.move(corner.X+framePadding, corner.Y+framePadding+frameTitle)
		for name, box := range in.boxes {
			inner[name] = box
		}
		for _, name := range append(d.Parts[i].Operators, d.Parts[i].Stores...) {
			p.boxes = append(p.boxes, in.boxes[name])
		}
		p.arrows = append(p.arrows, in.arrows...)
	}
	for i, route := range placed.Routes {
		if box, ok := inner[ends[i][0]]; ok && len(route) > 0 {
			// From the operator to the right, past the frame.
			y := box.corner.Y + box.height/2
			route[0], route[1].Y = layered.Point{X: box.corner.X + box.width, Y: y}, y
		}
		if box, ok := inner[ends[i][1]]; ok && len(route) > 0 {
			last := len(route) - 1
			y := box.corner.Y + box.height/2
			route[last-1].Y, route[last] = y, layered.Point{X: box.corner.X, Y: y}
		}
		p.arrows = append(p.arrows, arrow{from: ends[i][0], to: ends[i][1], route: route, dashed: strings.HasPrefix(ends[i][0], "g")})
	}
	return p
}

// gaps returns the gaps of the picture.
func (p *picture) gaps(g layered.Gaps) layered.Gaps {
	if p.live {
		g.Columns += rateGap
	}
	return g
}

// interior is a sub-topology: its operators from left to right, each above its stores.
type interior struct {
	boxes  map[string]box
	arrows []arrow
	size   layered.Point
}

func (p *picture) newInterior(d Drawing, part Part) interior {
	in := interior{boxes: map[string]box{}}
	index := map[string]int{}
	nodes := make([]layered.Node, len(part.Operators))
	out := map[string]bool{} // operators that write topics
	for _, a := range d.Arrows {
		out[a[0]] = out[a[0]] || strings.HasPrefix(a[1], "t")
	}
	for i, name := range part.Operators {
		box := p.newBox(name, "operator", d.Labels[name])
		index[name], in.boxes[name] = i, box
		nodes[i] = layered.Node{Width: box.width, Height: box.height, Last: out[name]}
	}
	below := map[string][]string{} // stores by the first operator that uses them
	var users [][2]string          // other operators and stores
	owned := map[string]bool{}
	for _, name := range part.Stores {
		in.boxes[name] = p.newBox(name, "store", d.Labels[name])
	}
	var edges []layered.Edge
	for _, a := range d.Arrows {
		from, ok := index[a[0]]
		if !ok {
			continue
		}
		if to, ok := index[a[1]]; ok {
			edges = append(edges, layered.Edge{From: from, To: to})
			continue
		}
		if store, ok := in.boxes[a[1]]; ok {
			if owned[a[1]] {
				users = append(users, a)
				continue
			}
			owned[a[1]] = true
			below[a[0]] = append(below[a[0]], a[1])
			nodes[from].Below += storeGap + storeHeight
			nodes[from].Width = max(nodes[from].Width, store.width)
		}
	}
	placed := layered.Place(nodes, edges, p.gaps(innerGaps))
	in.size = placed.Size
	for i, name := range part.Operators {
		box := in.boxes[name]
		box.corner, box.width = placed.Corners[i], nodes[i].Width
		in.boxes[name] = box
		y := box.corner.Y + box.height
		for _, s := range below[name] {
			store := in.boxes[s]
			store.corner, store.width = layered.Point{X: box.corner.X, Y: y + storeGap}, box.width
			in.boxes[s] = store
			middle := box.corner.X + box.width/2
			in.arrows = append(in.arrows, arrow{from: name, to: s, route: []layered.Point{{X: middle, Y: y}, {X: middle, Y: y + storeGap}}, dashed: true})
			y += storeGap + storeHeight
		}
	}
	for i, route := range placed.Routes {
		e := edges[i]
		in.arrows = append(in.arrows, arrow{from: part.Operators[e.From], to: part.Operators[e.To], route: route})
	}
	for _, u := range users {
		from, to := in.boxes[u[0]], in.boxes[u[1]]
		in.arrows = append(in.arrows, arrow{from: u[0], to: u[1], route: []layered.Point{
			{X: from.corner.X + from.width/2, Y: from.corner.Y + from.height/2}, {X: to.corner.X + to.width/2, Y: to.corner.Y + to.height/2},
		}, dashed: true})
	}
	return in
}

// move moves everything by a distance.
func (in *interior) move(x, y float64) {
	for name, box := range in.boxes {
		box.corner.X, box.corner.Y = box.corner.X+x, box.corner.Y+y
		in.boxes[name] = box
	}
	for _, a := range in.arrows {
		for i := range a.route {
			a.route[i].X, a.route[i].Y = a.route[i].X+x, a.route[i].Y+y
		}
	}
}

func (p *picture) newBox(name, class, label string) box {
	b := box{name: name, class: class, label: label, width: labelWidth(label) + 2*labelPadding, height: boxHeight}
	switch {
	case class == "store" || class == "global":
		b.height = storeHeight
	case p.live:
		b.height += figuresHeight
		b.width = max(b.width, figuresWidth+2*labelPadding)
	}
	return b
}

func labelWidth(label string) float64 {
	return letterWidth * float64(utf8.RuneCountInString(shortLabel(label)))
}

func shortLabel(label string) string {
	if runes := []rune(label); len(runes) > longestLabel {
		return string(runes[:longestLabel-1]) + "…"
	}
	return label
}
