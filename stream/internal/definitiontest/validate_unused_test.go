package definitiontest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/stream/internal/streamtest"
	"github.com/weirstreams/weir/window"
)

func TestDefinitionsThatDoNothingAreFound(t *testing.T) {
	const stream1, table1 = "nothing reads this stream", "nothing reads this table"
	counting := window.Count[string]()
	second := window.Tumbling(time.Second)
	for name, tc := range map[string]struct {
		declare func(t *stream.Topology, s textStream) string
		want    []string
	}{
		"a window without an aggregation": {func(_ *stream.Topology, s textStream) string { s.Window(second); return line() }, []string{"window tumbling 1s: the window has no Aggregate"}},
		"an aggregation that is never emitted": {
			func(_ *stream.Topology, s textStream) string { s.Window(second).Aggregate(counting); return line() },
			[]string{"window tumbling 1s: nothing says when results are emitted"},
		},
		"an aggregation that is changed and never emitted": {
			func(_ *stream.Topology, s textStream) string {
				s.Window(second).Aggregate(counting).EveryRecords(3)
				return above()
			},
			[]string{"window tumbling 1s: nothing says when results are emitted"},
		},
		"a negative size that is never emitted": {
			func(_ *stream.Topology, s textStream) string {
				s.Window(window.Tumbling(-1)).Aggregate(counting)
				return above()
			},
			[]string{"window tumbling -1ns: nothing says when results are emitted", "window tumbling -1ns: window size -1ns"},
		},
		"a negative size without an aggregation": {
			func(_ *stream.Topology, s textStream) string { s.Window(window.Tumbling(-1)); return line() },
			[]string{"window tumbling -1ns: the window has no Aggregate", "window tumbling -1ns: window size -1ns"},
		},
		"results of a window": {func(_ *stream.Topology, s textStream) string {
			s.Window(second).Aggregate(counting).Final()
			return above()
		}, []string{"window tumbling 1s: " + stream1}},
		"a topic":              {func(t *stream.Topology, _ textStream) string { t.From(topic("unread")); return line() }, []string{"source unread: " + stream1}},
		"Map":                  {func(_ *stream.Topology, s textStream) string { s.Map(same); return line() }, []string{"map-1: " + stream1}},
		"Filter behind others": {func(_ *stream.Topology, s textStream) string { s.Map(same).Filter(accept); return line() }, []string{"filter-1: " + stream1}},
		"GroupBy":              {func(_ *stream.Topology, s textStream) string { s.GroupBy("g", same); return line() }, []string{"source g: " + stream1}},
		"Merge":                {func(_ *stream.Topology, s textStream) string { s.Merge(s); return line() }, []string{"merge-1: " + stream1}},
		"Aggregate":            {func(_ *stream.Topology, s textStream) string { s.Aggregate("a", counting); return line() }, []string{"aggregate a: " + stream1}},
		"a join": {
			func(_ *stream.Topology, s textStream) string {
				s.JoinAsOf(s, join.AsOf{}.Grace(time.Hour), both)
				return above()
			},
			[]string{"joinasof " + join.AsOf{}.Grace(time.Hour).StoreName() + ": " + stream1},
		},
		"a table":        {func(t *stream.Topology, _ textStream) string { t.Table(topic("rows")); return line() }, []string{"table table_rows: " + table1}},
		"a global table": {func(t *stream.Topology, _ textStream) string { t.GlobalTable(topic("rows")); return line() }, []string{"globaltable rows: no join uses this global table"}},
		"branches":       {func(_ *stream.Topology, s textStream) string { s.Branch(); return line() }, []string{"branch-1: the branches have no case"}},
		"Otherwise": {
			func(_ *stream.Topology, s textStream) string { s.Branch().Otherwise("rest"); return line() },
			[]string{"otherwise rest: " + stream1},
		},
		"all cases": {
			func(_ *stream.Topology, s textStream) string { s.Branch().When("one", accept); return line() },
			[]string{"when one: " + stream1},
		},
		"a case of FanOut": {
			func(_ *stream.Topology, s textStream) string {
				split := s.FanOut()
				split.When("used", accept).To(topic("used"))
				split.When("unused", accept)
				return above()
			},
			[]string{"when unused: " + stream1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			topology := stream.NewTopology()
			s := topology.From(in)
			s.To(out)
			site := tc.declare(topology, s)
			var got []string
			for _, f := range findings(topology) {
				if f.Site != site {
					t.Errorf("%v is not at %s", f, site)
				}
				got = append(got, f.Node+": "+f.Problem)
			}
			begins := func(got, want string) bool { return strings.HasPrefix(got, want) }
			if len(got) != len(tc.want) {
				t.Fatalf("got %q, want %q", got, tc.want)
			}
			for i := range got {
				if !begins(got[i], tc.want[i]) {
					t.Errorf("got %q, want %q", got[i], tc.want[i])
				}
			}
		})
	}
}

// Operators that show, change state or write have an effect without a reader, and the case of a branch takes records from
// the cases after it.
func TestOperatorsWithAnEffectNeedNoReader(t *testing.T) {
	topology := stream.NewTopology()
	s := topology.From(in)
	var collected stream.Collector[string, string]
	s.Peek(func(string) {})
	s.Print(stream.PrintOptions{})
	s.PrintTable(stream.TableOptions{})
	s.Collect(&collected)
	s.MapState(cellHandle, first)
	s.Reduce(store.NewCell[string]("reduced"), streamtest.KeepFirst)
	s.Process(store.None(), func(struct{}) weir.Processor[string, string, string, string] { return nil })
	kinds := s.Branch()
	kinds.When("dropped", accept)
	kinds.Otherwise("rest").To(out)
	users := topology.GlobalTable(stream.NewTopic("users", codec.String(), codec.String()))
	s.JoinGlobal(users, same, both).To(topic("joined"))
	topology.Table(topic("left")).JoinForeignKey("f", topology.Table(topic("right")), func(v string) (string, bool) { return v, true }, both).To(topic("foreign"))
	window1 := s.Window(window.Tumbling(time.Second))
	streamtest.Read(window1.Aggregate(window.Count[string]()).EveryRecords(2).Final())
	if diff := cmp.Diff([]stream.Finding(nil), findings(topology)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
