package drawing

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/weirstreams/weir/internal/graph"
)

// plan returns a topology with a chain of operators behind a topic. The name of each is hostile to markup.
func plan(operators int) *graph.Plan {
	g := &graph.Graph{}
	last := g.Add(&graph.Node{Kind: graph.KindSource, Detail: `<script>"&'`, Source: &graph.Source{Topic: `in"><script>`}})
	for i := range operators {
		last = g.Add(&graph.Node{Kind: "map", Detail: fmt.Sprintf(`<b onclick="x">%d`, i)}, last)
	}
	g.Add(&graph.Node{Kind: graph.KindSink, Detail: "out", Sink: &graph.Sink{Topic: "out"}}, last)
	return graph.NewPlan(g, "group")
}

func TestALivePictureHasALinkAndFiguresForEachBoxAndARateForEachArrow(t *testing.T) {
	t.Parallel()
	for _, operators := range []int{0, 3, 200} {
		picture := Of(plan(operators)).Live(func(box string) string { return "#of-" + box })
		elements := map[string]int{}
		decoder := xml.NewDecoder(strings.NewReader(picture))
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v in %s", err, picture)
			}
			if e, ok := token.(xml.StartElement); ok {
				name := e.Name.Local
				for _, a := range e.Attr {
					if a.Name.Local == "class" && name == "text" {
						name += "." + a.Value
					}
					if a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") {
						t.Errorf("attribute %s of %s", a.Name.Local, name)
					}
				}
				elements[name]++
			}
		}
		boxes := operators + 4 // a source, a sink, and their topics
		if elements["a"] != boxes || elements["text.figures"] != boxes || elements["text.rate"] != boxes-1 || elements["script"]+elements["style"] > 0 {
			t.Errorf("%d operators: %v", operators, elements)
		}
	}
}
