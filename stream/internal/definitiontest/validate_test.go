package definitiontest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/stream/internal/streamtest"
	"github.com/weirstreams/weir/window"
)

// finding is a Finding without its site, which is that of the only line that a declaration has in the cases below.
type finding struct{ node, problem string }

func TestValidateFinds(t *testing.T) {
	var noFilter func(string) bool
	var noMap func(string) string
	counting := window.Count[string]()
	for _, c := range []struct {
		name    string
		declare func(*stream.Topology)
		want    []finding
	}{
		{"an empty topology", func(*stream.Topology) {}, []finding{
			{"", "the topology reads no topic: begin with From or FromSource"},
		}},
		{"a topic that is read twice", func(t *stream.Topology) { t.From(in).To(out); t.From(in).To(out) }, []finding{
			{"source in", `topic "in" is read already, by the stream declared at SITE: use that stream again`},
		}},
		{"a topic that is read twice, in one part, with state", func(t *stream.Topology) {
			t.From(in).Merge(t.From(in)).MapState(cellHandle, first).To(out)
		}, []finding{
			{"source in", `topic "in" is read already, by the stream declared at SITE: use that stream again`},
		}},
		{"missing codecs", func(t *stream.Topology) {
			t.From(stream.NewTopic[string, string]("in", nil, codec.String())).To(stream.NewTopic[string, string]("out", codec.String(), nil))
		}, []finding{
			{"source in", `topic "in" has no key codec`},
			{"sink out", `topic "out" has no value codec`},
		}},
		{"missing functions", func(t *stream.Topology) {
			s := t.From(in).Filter(noFilter).FilterRecord(nil)
			s = s.Map(noMap).MapRecord[string](nil)
			s = s.FlatMap[string](nil).FlatMapRecord[string](nil)
			s = s.Peek(nil).PeekRecord(nil)
			streamtest.Read(s.GroupBy[string]("a", nil).GroupByRecord[string]("b", nil))
			streamtest.Read(s.GroupByWith[string](stream.Repartition[string, string]{Name: "d"}, nil))
		}, []finding{
			{"filter-1", "the function is nil"},
			{"filter-2", "the function is nil"},
			{"map-1", "the function is nil"},
			{"map-2", "the function is nil"},
			{"flatmap-1", "the function is nil"},
			{"flatmap-2", "the function is nil"},
			{"peek-1", "the function is nil"},
			{"peek-2", "the function is nil"},
			{"groupby a", "the function is nil"},
			{"groupby b", "the function is nil"},
			{"groupby d", "the function is nil"},
		}},
		{"a missing cell", func(t *stream.Topology) { t.From(in).MapState(nil, first).To(out) }, []finding{
			{"mapstate-1", "the store is nil"},
		}},
		{"a missing function of a cell", func(t *stream.Topology) { t.From(in).MapState[*textCell, string](cellHandle, nil).To(out) }, []finding{
			{"mapstate cell", "the function is nil"},
		}},
		{"a missing aggregator", func(t *stream.Topology) {
			streamtest.Read(t.From(in).Window(window.Tumbling(time.Second)).Aggregate[int64, int64](nil).Final())
		}, []finding{
			{"window tumbling 1s", "the aggregator is nil"},
		}},
		{"aggregators without functions", func(t *stream.Topology) {
			s, second := t.From(in), window.Tumbling(time.Second)
			streamtest.Read(s.Window(second.Name("a")).Aggregate(window.Sum[string, int64](nil)).Final())
			streamtest.Read(s.Window(second.Name("b")).Aggregate(window.Min[string, int64](nil)).Final())
			streamtest.Read(s.Window(second.Name("c")).Aggregate(window.Mean[string, int](nil)).Current())
			streamtest.Read(s.Window(second.Name("d")).Aggregate(window.Custom[string, int, int64](nil, nil, nil)).Current())
		}, []finding{
			{"window tumbling 1s", "a function of the aggregator is nil"},
			{"window tumbling 1s", "a function of the aggregator is nil"},
			{"window tumbling 1s", "a function of the aggregator is nil"},
			{"window tumbling 1s", "a function of the aggregator is nil"},
		}},
		{"topic names that Kafka does not take", func(t *stream.Topology) {
			t.From(topic("")).To(topic("a b"))
			t.From(topic("..")).To(topic(strings.Repeat("x", 250)))
			t.From(topic("ä")).To(topic(strings.Repeat("x", 249)))
		}, []finding{
			{"source-1", "the name of the topic is empty"},
			{"sink a b", `topic "a b": the character at 1 is not a letter, digit, '.', '_' or '-'`},
			{"source ..", `topic "..": not a name that Kafka allows`},
			{"sink " + strings.Repeat("x", 250), `topic "` + strings.Repeat("x", 32) + `"...: the name has 250 characters, Kafka allows 249`},
			{"source ä", `topic "ä": the character at 0 is not a letter, digit, '.', '_' or '-'`},
		}},
		{"numbers of partitions", func(t *stream.Topology) {
			t.From(in.WithPartitions(-1)).GroupByWith(stream.Repartition[string, string]{Name: "g", Partitions: -2}, same)
		}, []finding{
			{"source in", `topic "in": -1 partitions`},
			{"repartition g", "-2 partitions"},
		}},
		{"window sizes and graces", func(t *stream.Topology) {
			s := t.From(in)
			streamtest.Read(s.Window(window.Tumbling(0).Name("a")).Aggregate(counting).Final())
			streamtest.Read(s.Window(window.Tumbling(-time.Second).Name("b")).Aggregate(counting).Final())
			streamtest.Read(s.Window(window.Tumbling(1500 * time.Microsecond).Name("c")).Aggregate(counting).Final())
			streamtest.Read(s.Window(window.Tumbling(time.Second).Grace(-1).Name("d")).Aggregate(counting).Current())
			streamtest.Read(s.Window(window.Tumbling(time.Second).Grace(1).Name("e")).Aggregate(counting).Current())
		}, []finding{
			{"window tumbling 0s", "window size 0s: must be positive"},
			{"window tumbling -1s", "window size -1s: must be positive"},
			{"window tumbling 1.5ms", "window size 1.5ms: must be a whole number of milliseconds"},
			{"window tumbling 1s grace -1ns", "window grace -1ns: must not be negative"},
			{"window tumbling 1s grace 1ns", "window grace 1ns: must be a whole number of milliseconds"},
		}},
		{"a name that two stores have", func(t *stream.Topology) {
			t.From(in).MapState(cellHandle, first).MapState(store.NewCell[string]("cell"), first).To(out)
		}, []finding{
			{"mapstate cell", `the store "cell" belongs to the operator declared at SITE already: give one of them another name`},
		}},
		{"nothing in a store that operators of one stream share", func(t *stream.Topology) {
			t.From(in).MapState(cellHandle, first).MapState(cellHandle, first).To(out)
		}, nil},
		{"a store that two streams use", func(t *stream.Topology) {
			t.From(in).MapState(cellHandle, first).GroupBy("g", same).MapState(cellHandle, first).To(out)
		}, []finding{
			{"mapstate cell", `the store "cell" belongs to the stream "in", by the operator declared at SITE, and this is the stream ` +
				`"repartition.in.g": streams do not share state; declare another store`},
		}},
		{"two windows of one kind and size", func(t *stream.Topology) {
			s := t.From(in)
			streamtest.Read(s.Window(window.Tumbling(time.Second)).Aggregate(counting).Final())
			streamtest.Read(s.Window(window.Tumbling(time.Second).Grace(time.Second)).Aggregate(counting).Final())
		}, []finding{
			{"window tumbling 1s grace 1s", `the store "tumbling_window_1000" belongs to the operator declared at SITE already: give one of them another name`},
		}},
		{"names that cannot be a part of a topic's", func(t *stream.Topology) {
			streamtest.Read(t.From(in).Window(window.Tumbling(time.Second).Name("a/b")).Aggregate(counting).Final())
			t.From(topic("in2")).GroupBy("", same)
			t.From(topic("in3")).GroupBy("c d", same)
		}, []finding{
			{"repartition-1", "name of the operation: it is empty"},
			{"repartition c d", `name of the operation: "c d": the character at 1 is not a letter, digit, '.', '_' or '-', and the name is part of a topic's`},
			{"window tumbling 1s", `name of the store: "a/b_tumbling_window_1000": the character at 1 is not a letter, digit, '.', '_' or '-', and the name is part of a topic's`},
		}},
		{"two operations of one name", func(t *stream.Topology) {
			s := t.From(in)
			streamtest.Read(s.GroupBy("g", same))
			streamtest.Read(s.GroupBy("g", same))
		}, []finding{
			{"repartition g", "the stream is grouped under this name already, at SITE: give one of the operations another name"},
		}},
		{"a cycle", func(t *stream.Topology) { t.From(in).Map(same).To(in) }, []finding{
			{"sink in", `topic "in" feeds the stream that is written to it: records would go round for ever`},
		}},
		{"a cycle over another topic", func(t *stream.Topology) { t.From(in).To(out); t.From(out).Filter(accept).To(in) }, []finding{
			{"sink out", `topic "out" feeds the stream that is written to it: records would go round for ever`},
			{"sink in", `topic "in" feeds the stream that is written to it: records would go round for ever`},
		}},
		{"a cycle over an internal topic", func(t *stream.Topology) { t.From(in).GroupBy("g", same).To(in) }, []finding{
			{"sink in", `topic "in" feeds the stream that is written to it: records would go round for ever`},
		}},
		{"no cycle where streams only meet", func(t *stream.Topology) { s := t.From(in); s.To(topic("x")); s.Merge(t.From(topic("x"))).To(out) }, nil},
		{"a stream merged with what it is grouped into", func(t *stream.Topology) { s := t.From(in); s.Merge(s.GroupBy("g", same)).To(out) }, []finding{
			{"repartition g", "the grouped stream is merged with one that it is made of: write it to a topic of its own, and read that"},
		}},
		{"a stream merged with what it is grouped into twice", func(t *stream.Topology) {
			s := t.From(in)
			s.Merge(s.GroupBy("g", same).GroupBy("h", same)).To(out)
		}, []finding{
			{"repartition h", "the grouped stream is merged with one that it is made of: write it to a topic of its own, and read that"},
			{"repartition g", "the grouped stream is merged with one that it is made of: write it to a topic of its own, and read that"},
		}},
		{"a stream of another topology", func(t *stream.Topology) { t.From(in).Merge(stream.NewTopology().From(out), textStream{}).To(out) }, []finding{
			{"merge-1", "a stream of another topology cannot be merged"},
		}},
		{"ids of streams that are the same", func(t *stream.Topology) {
			t.From(topic("a")).Merge(t.From(topic("b"))).To(out)
			t.From(topic("a--b")).To(out)
		}, []finding{
			{"source a--b", `"a--b" is used by the stream declared at SITE as well, because of the "--" in a name: give the topic or store another name`},
		}},
		{"nothing in a good topology", func(t *stream.Topology) {
			s := t.From(in)
			s.MapState(cellHandle, first).GroupBy("g", same).MapState(store.NewCell[string]("cell"), first).To(out)
			streamtest.Read(s.GroupBy("h", same).GroupBy("g", same).Window(window.Tumbling(time.Second)).Aggregate(counting).Final())
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			topology := stream.NewTopology()
			c.declare(topology)
			err := topology.Validate()
			if err == nil {
				if c.want != nil {
					t.Errorf("found nothing, want %v", c.want)
				}
				return
			}
			var got []finding
			for _, f := range err.(*stream.ValidationError).Findings {
				if f.Node != "" && !strings.HasPrefix(f.Site, "definitiontest/validate_test.go:") {
					t.Errorf("site %q of %v", f.Site, f)
				}
				for _, n := range topology.Graph().Nodes {
					f.Problem = strings.ReplaceAll(f.Problem, " "+n.Site, " SITE")
				}
				got = append(got, finding{f.Node, f.Problem})
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(finding{})); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
