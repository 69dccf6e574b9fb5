package stream

import (
	"fmt"
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
)

// svgStyle has the colours, for light and dark pages.
const svgStyle = `text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#1f2328}
.frame{fill:#f6f8fa;stroke:#d1d9e0}.frame+text{font-weight:600;fill:#59636e}
.operator{fill:#fff;stroke:#59636e}.topic{fill:#ddf4ff;stroke:#0969da}.store,.global{fill:#fff8c5;stroke:#9a6700}
.arrow{fill:none;stroke:#59636e;stroke-width:1.2}.access{fill:none;stroke:#9a6700;stroke-dasharray:4 3}
.head{fill:#59636e}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.frame{fill:#151b23;stroke:#3d444d}.frame+text{fill:#9198a1}
.operator{fill:#0d1117;stroke:#9198a1}.topic{fill:#121d2f;stroke:#4493f8}.store,.global{fill:#272115;stroke:#d29922}
.arrow{stroke:#9198a1}.access{stroke:#d29922}.head{fill:#9198a1}}`

// SVG returns the topology as a picture: a complete SVG document without scripts and without references to other files, with colours for
// light and dark pages. Records go from left to right: topics are rounded boxes, each sub-topology is a frame around its operators, and stores
// and global tables are cylinders. Labels of more than 44 characters are cut; the whole text is the title of the box. The picture depends on the
// topology alone.
func (t *Topology) SVG() string {
	p := newPicture(t.draw())
	var b strings.Builder
	width, height := p.size.X+2*pageMargin, p.size.Y+2*pageMargin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="%d %d %.0f %.0f" role="img" aria-label="Topology">`+"\n",
		width, height, -pageMargin, -pageMargin, width, height)
	b.WriteString("<style>" + svgStyle + "</style>\n" +
		`<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>` + "\n")
	for _, f := range p.frames {
		f.write(&b)
	}
	for _, a := range p.arrows {
		a.write(&b)
	}
	for _, box := range p.boxes {
		box.write(&b)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// picture is a drawing with places.
type picture struct {
	frames, boxes []svgBox
	arrows        []svgArrow
	size          layered.Point
}

// svgBox is a box with a label. Its class is frame, operator, topic, store or global.
type svgBox struct {
	class, label  string
	corner        layered.Point
	width, height float64
}

// svgArrow is a line. Those between operators and stores, and from global tables, are dashed.
type svgArrow struct {
	route  []layered.Point
	dashed bool
}

var (
	outerGaps = layered.Gaps{Columns: 44, Rows: 22, Arrows: 10}
	innerGaps = layered.Gaps{Columns: 34, Rows: 14, Arrows: 8}
)

// newPicture places the boxes: operators within the frame of their sub-topology, and frames, topics and global tables on the page.
func newPicture(d drawing) *picture {
	p := &picture{}
	outer := map[string]int{} // boxes to the topic, global table or frame that they are, or are in
	inner := map[string]svgBox{}
	var nodes []layered.Node
	var loose []svgBox
	for _, list := range []struct {
		class string
		boxes []string
	}{{"topic", d.topics}, {"global", d.globals}} {
		for _, name := range list.boxes {
			box := newBox(list.class, d.labels[name])
			outer[name] = len(nodes)
			nodes = append(nodes, layered.Node{Width: box.width, Height: box.height})
			loose = append(loose, box)
		}
	}
	interiors := make([]interior, len(d.parts))
	for i, part := range d.parts {
		interiors[i] = newInterior(d, part)
		for _, name := range append(part.operators, part.stores...) {
			outer[name] = len(nodes)
		}
		nodes = append(nodes, layered.Node{
			Width: max(interiors[i].size.X, labelWidth(part.title)) + 2*framePadding, Height: interiors[i].size.Y + frameTitle + 2*framePadding,
		})
	}
	var edges []layered.Edge
	var ends [][2]string
	for _, a := range d.arrows {
		if from, to := outer[a[0]], outer[a[1]]; from != to {
			edges = append(edges, layered.Edge{From: from, To: to})
			ends = append(ends, a)
		}
	}
	placed := layered.Place(nodes, edges, outerGaps)
	p.size = placed.Size
	for i, box := range loose {
		box.corner = placed.Corners[i]
		p.boxes = append(p.boxes, box)
	}
	for i, in := range interiors {
		corner := placed.Corners[len(loose)+i]
		frame := nodes[len(loose)+i]
		p.frames = append(p.frames, svgBox{"frame", d.parts[i].title, corner, frame.Width, frame.Height})
		in.move(corner.X+framePadding, corner.Y+framePadding+frameTitle)
		for name, box := range in.boxes {
			inner[name] = box
		}
		for _, name := range append(d.parts[i].operators, d.parts[i].stores...) {
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
		p.arrows = append(p.arrows, svgArrow{route, strings.HasPrefix(ends[i][0], "g")})
	}
	return p
}

// interior is a sub-topology: its operators from left to right, each above its stores.
type interior struct {
	boxes  map[string]svgBox
	arrows []svgArrow
	size   layered.Point
}

func newInterior(d drawing, part drawnPart) interior {
	in := interior{boxes: map[string]svgBox{}}
	index := map[string]int{}
	nodes := make([]layered.Node, len(part.operators))
	out := map[string]bool{} // operators that write topics
	for _, a := range d.arrows {
		out[a[0]] = out[a[0]] || strings.HasPrefix(a[1], "t")
	}
	for i, name := range part.operators {
		box := newBox("operator", d.labels[name])
		index[name], in.boxes[name] = i, box
		nodes[i] = layered.Node{Width: box.width, Height: box.height, Last: out[name]}
	}
	below := map[string][]string{} // stores by the first operator that uses them
	var users [][2]string          // other operators and stores
	owned := map[string]bool{}
	for _, name := range part.stores {
		in.boxes[name] = newBox("store", d.labels[name])
	}
	var edges []layered.Edge
	for _, a := range d.arrows {
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
	placed := layered.Place(nodes, edges, innerGaps)
	in.size = placed.Size
	for i, name := range part.operators {
		box := in.boxes[name]
		box.corner, box.width = placed.Corners[i], nodes[i].Width
		in.boxes[name] = box
		y := box.corner.Y + box.height
		for _, s := range below[name] {
			store := in.boxes[s]
			store.corner, store.width = layered.Point{X: box.corner.X, Y: y + storeGap}, box.width
			in.boxes[s] = store
			middle := box.corner.X + box.width/2
			in.arrows = append(in.arrows, svgArrow{[]layered.Point{{X: middle, Y: y}, {X: middle, Y: y + storeGap}}, true})
			y += storeGap + storeHeight
		}
	}
	for _, route := range placed.Routes {
		in.arrows = append(in.arrows, svgArrow{route: route})
	}
	for _, u := range users {
		from, to := in.boxes[u[0]], in.boxes[u[1]]
		in.arrows = append(in.arrows, svgArrow{[]layered.Point{
			{X: from.corner.X + from.width/2, Y: from.corner.Y + from.height/2}, {X: to.corner.X + to.width/2, Y: to.corner.Y + to.height/2},
		}, true})
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

func newBox(class, label string) svgBox {
	height := float64(boxHeight)
	if class == "store" || class == "global" {
		height = storeHeight
	}
	return svgBox{class: class, label: label, width: labelWidth(label) + 2*labelPadding, height: height}
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

func (box svgBox) write(b *strings.Builder) {
	x, y, w, h := box.corner.X, box.corner.Y, box.width, box.height
	anchor, textX, textY := "middle", x+w/2, y+h/2+4
	b.WriteString("<g>")
	if short := shortLabel(box.label); short != box.label {
		b.WriteString("<title>" + escapeXML(box.label) + "</title>")
	}
	switch box.class {
	case "store", "global":
		const lid = 4 // half the height of the ellipse
		fmt.Fprintf(b, `<path class="%s" d="M%.1f %.1fv%.1fa%.1f %d 0 0 0 %.1f 0v%.1fa%.1f %d 0 0 0 %.1f 0a%.1f %d 0 0 0 %.1f 0"/>`,
			box.class, x, y+lid, h-2*lid, w/2, lid, w, -(h - 2*lid), w/2, lid, -w, w/2, lid, w)
		textY += lid / 2
	case "frame":
		fmt.Fprintf(b, `<rect class="frame" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="6"/>`, x, y, w, h)
		anchor, textX, textY = "start", x+framePadding, y+frameTitle
	default:
		radius := 4.0
		if box.class == "topic" {
			radius = h / 2
		}
		fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%.0f"/>`, box.class, x, y, w, h, radius)
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text></g>`+"\n", textX, textY, anchor, escapeXML(shortLabel(box.label)))
}

func (a svgArrow) write(b *strings.Builder) {
	if len(a.route) == 0 {
		return
	}
	class, head := "arrow", ` marker-end="url(#head)"`
	if a.dashed {
		class = "access"
		if len(a.route) == 2 {
			head = "" // between an operator and its store, which go both ways
		}
	}
	fmt.Fprintf(b, `<path class="%s"%s d="M%.1f %.1f`, class, head, a.route[0].X, a.route[0].Y)
	for i := 1; i < len(a.route); i++ {
		from, to := a.route[i-1], a.route[i]
		if i%2 == 1 || from.Y == to.Y {
			if from != to {
				fmt.Fprintf(b, "L%.1f %.1f", to.X, to.Y)
			}
			continue
		}
		middle := (from.X + to.X) / 2
		fmt.Fprintf(b, "C%.1f %.1f %.1f %.1f %.1f %.1f", middle, from.Y, middle, to.Y, to.X, to.Y)
	}
	b.WriteString("\"/>\n")
}

// escapeXML returns a text as the content of an element. Characters that XML does not have become the replacement character.
func escapeXML(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == '\uFFFE' || c == '\uFFFF' {
			return utf8.RuneError
		}
		return c
	}, text) // invalid UTF-8 too
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
