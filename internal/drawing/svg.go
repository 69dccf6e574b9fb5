package drawing

import (
	"fmt"
	"strings"
	"unicode/utf8"
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

// defs has the head of arrows.
const defs = `<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>` + "\n"

// SVG returns the picture as a document of its own, with its colours.
func (d Drawing) SVG() string {
	return d.place(false).write(`<svg xmlns="http://www.w3.org/2000/svg" %s role="img" aria-label="Topology">`+"\n<style>"+svgStyle+"</style>\n", nil)
}

// Live returns the picture as an element of an HTML page, which has its colours and fills in figures: a text of the class figures in each operator and topic, and
// one of the class rate at each arrow, with the names of the boxes in the attributes data-box, data-from and data-to. Operators and topics are links
// to the addresses that a function returns.
func (d Drawing) Live(link func(box string) string) string {
	return d.place(true).write(`<svg class="graph" %s>`+"\n", link)
}

// write writes the picture. begin is its begin with a verb for the size. link is nil if boxes are no links.
func (p *picture) write(begin string, link func(box string) string) string {
	var b strings.Builder
	width, height := p.size.X+2*pageMargin, p.size.Y+2*pageMargin
	fmt.Fprintf(&b, begin, fmt.Sprintf(`width="%.0f" height="%.0f" viewBox="%d %d %.0f %.0f"`, width, height, -pageMargin, -pageMargin, width, height))
	b.WriteString(defs)
	for _, f := range p.frames {
		f.write(&b)
	}
	for _, a := range p.arrows {
		a.write(&b)
		if p.live && !a.dashed {
			a.writeRate(&b)
		}
	}
	for _, box := range p.boxes {
		if p.live && (box.class == "operator" || box.class == "topic") {
			fmt.Fprintf(&b, `<a href="%s" data-box="%s" data-class="%s">`, escapeXML(link(box.name)), box.name, box.class)
			box.height -= figuresHeight // of the label
			box.figures = true
		}
		box.write(&b)
		if box.figures {
			b.WriteString("</a>\n")
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// writeRate writes the place for the rate of an arrow, in front of its head.
func (a arrow) writeRate(b *strings.Builder) {
	if len(a.route) == 0 {
		return
	}
	end := a.route[len(a.route)-1]
	fmt.Fprintf(b, `<text class="rate" data-from="%s" data-to="%s" x="%.1f" y="%.1f" text-anchor="end"></text>`+"\n", a.from, a.to, end.X-10, end.Y-4)
}

func (box box) write(b *strings.Builder) {
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
		if box.figures {
			h += figuresHeight
		}
		fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%.0f"/>`, box.class, x, y, w, h, radius)
	}
	if box.figures {
		fmt.Fprintf(b, `<text class="figures" x="%.1f" y="%.1f" text-anchor="middle"></text>`, textX, textY+figuresHeight-2)
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text></g>`+"\n", textX, textY, anchor, escapeXML(shortLabel(box.label)))
}

func (a arrow) write(b *strings.Builder) {
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
