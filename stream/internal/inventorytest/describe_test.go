package inventorytest_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/stream/internal/streamtest"
	"github.com/weirstreams/weir/window"
)

// everything is a topology with at least one operator of each kind.
func everything() *stream.Topology {
	t := stream.NewTopology()
	s := t.From(in)
	kept := s.Filter(accept).Peek(func(string) {}).Map(same)
	kept.To(out)
	kept.Merge(t.From(topic("other")).Filter(accept), s).
		FlatMap(strings.Fields).
		MapState(cellHandle, first).
		GroupBy("word", same).
		MapState(store.NewCell[string]("cell"), first).
		GroupBy("again", same).
		Window(window.Tumbling(time.Minute).Grace(5 * time.Second).Name("words")).
		Aggregate(window.Count[string]()).
		Final().
		Map(func(window.Result[int64]) string { return "" }).
		To(out)
	t.From(topic("alone")).GroupBy("unused", same)
	return t
}

func TestDescribe(t *testing.T) {
	for name, topology := range map[string]*stream.Topology{
		"everything": everything(),
		"empty":      stream.NewTopology(),
	} {
		t.Run(name, func(t *testing.T) {
			got := topology.Describe()
			if again := topology.Describe(); again != got {
				t.Errorf("a second description differs:\n%s", again)
			}
			streamtest.Golden(t, "describe_"+name+".txt", streamtest.WithoutLines(got))
		})
	}
}

// internalNames are the ids of streams and the names of internal topics in a description.
var internalNames = regexp.MustCompile(`sub-topology .*|(changelog|repartition)__[^\]]*`)

// D-59: the names are where state is found again: a new version of a program must not lose it for a change somewhere else.
func TestNamesOfStateDoNotDependOnOtherOperators(t *testing.T) {
	// declare calls more wherever unrelated operators can be put.
	declare := func(more func(t *stream.Topology, s textStream) textStream) []string {
		topology := stream.NewTopology()
		s := more(topology, topology.From(in))
		s = more(topology, s.MapState(store.NewCell[string]("one"), first))
		s = more(topology, s.GroupBy("g", same))
		s = more(topology, s.MapState(store.NewCell[string]("two"), first))
		streamtest.Read(s.Window(window.Tumbling(time.Second)).Aggregate(window.Count[string]()).Final())
		if err := topology.Validate(); err != nil {
			t.Error(err)
		}
		return internalNames.FindAllString(topology.Describe(), -1)
	}
	want := declare(func(_ *stream.Topology, s textStream) textStream { return s })
	if len(want) != 7 {
		t.Fatalf("%d names, want 2 streams, 3 changelogs and 1 repartition topic that is named twice: %q", len(want), want)
	}
	n := 0
	got := declare(func(topology *stream.Topology, s textStream) textStream {
		n++
		suffix := string(rune('a' + n))
		s.Filter(accept).To(topic("unrelated-" + suffix)) // a branch
		topology.From(topic("elsewhere-"+suffix)).GroupBy("g", same).MapState(store.NewCell[string]("two"), first)
		return s.Map(same).Peek(func(string) {}).Merge(s) // in between
	})
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("%q is gone; there are %q", name, got)
		}
	}
}

// Two streams count their operators apart until they are merged, and then as one.
func TestNodesOfOnePartHaveNamesOfTheirOwn(t *testing.T) {
	topology := stream.NewTopology()
	a, b := topology.From(in).Filter(accept), topology.From(topic("other")).Filter(accept)
	a.Merge(b).Filter(accept).To(out)
	seen := map[string]bool{}
	for _, n := range topology.Graph().Nodes {
		if seen[n.String()] {
			t.Errorf("two nodes are called %q", n)
		}
		seen[n.String()] = true
	}
}
