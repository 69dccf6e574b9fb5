// Package samples has calls whose results are thrown away, and others that are fine.
package samples

import (
	"context"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

var (
	topic  = stream.NewTopic("in", codec.String(), codec.String())
	counts = store.NewCell[int]("counts")
)

func same(v string) string { return v }

func concat(l, r string) string { return l + r }

func definitions() {
	w := window.Tumbling(time.Minute)
	w.Grace(time.Second)                   // want `the result of Definition.Grace is thrown away: it returns a changed copy and leaves the Definition as it is`
	w.Name("w")                            // want `the result of Definition.Name is thrown away`
	window.Tumbling(time.Minute)           // want `the result of window.Tumbling is thrown away: the call has no other effect`
	window.Count[string]()                 // want `the result of window.Count is thrown away`
	topic.WithPartitions(3)                // want `the result of Topic.WithPartitions is thrown away: it returns a changed copy`
	counts.WithTTL(time.Hour)              // want `the result of CellHandle.WithTTL is thrown away: it returns a changed copy`
	join.Within(0, time.Hour)              // want `the result of join.Within is thrown away`
	join.AsOf{}.Grace(time.Hour).Name("j") // want `the result of AsOf.Name is thrown away: it returns a changed copy`
	codec.JSON[string]()                   // want `the result of codec.JSON is thrown away`
	store.NewCell[int]("more")             // want `the result of store.NewCell is thrown away`
	defer w.Grace(time.Second)             // want `the result of Definition.Grace is thrown away`
	go w.Grace(time.Second)                // want `the result of Definition.Grace is thrown away`
	row.New().With("a", 1)                 // want `the result of Row.With is thrown away: it returns a changed copy`
	func() { topic.WithConfig(nil) }()     // want `the result of Topic.WithConfig is thrown away`
	stream.NewTopology()                   // want `the result of stream.NewTopology is thrown away`
	_ = w.Grace(time.Second)               // on purpose
	w = w.Grace(time.Second)
	topic = topic.WithPartitions(3)
	func(window.Definition) {}(w.Grace(time.Second))
}

func streams(t *stream.Topology) {
	s := t.From(topic)
	t.From(topic)                                       // want `the result of Topology.From is thrown away: continue with it, or end it with To or Sink`
	t.Table(topic)                                      // want `the result of Topology.Table is thrown away`
	stream.TableOf(s, "rows")                           // want `the result of stream.TableOf is thrown away`
	s.Map(same)                                         // want `the result of Stream.Map is thrown away: continue with it`
	s.Filter(func(string) bool { return true })         // want `the result of Stream.Filter is thrown away`
	s.MapKey(same).GroupByKey("g")                      // want `the result of Stream.GroupByKey is thrown away`
	s.JoinAsOf(s, join.AsOf{}.Grace(time.Hour), concat) // want `the result of Stream.JoinAsOf is thrown away`
	s.Window(window.Tumbling(time.Minute))              // want `the result of Stream.Window is thrown away: nothing is computed until Final, Current or Suppress`
	a := s.Window(window.Tumbling(time.Minute)).Aggregate(window.Count[string]())
	a.EveryRecords(3)            // want `the result of Aggregated.EveryRecords is thrown away: nothing is computed until Final`
	a.Final()                    // want `the result of Aggregated.Final is thrown away: continue with it`
	s.Branch().Otherwise("rest") // want `the result of Branches.Otherwise is thrown away`

	// All operators with an effect, so that one that is renamed does not compile here.
	var collected stream.Collector[string, string]
	s.Peek(func(string) {})
	s.PeekRecord(func(context.Context, weir.Record[string, string]) error { return nil })
	s.Print(stream.PrintOptions{})
	s.PrintTable(stream.TableOptions{})
	s.Collect(&collected)
	s.MapState(counts, func(*store.Cell[int], string) int { return 0 })
	s.FilterState(counts, func(*store.Cell[int], string) bool { return true })
	s.FlatMapState(counts, func(*store.Cell[int], string) []int { return nil })
	s.ProcessState(counts, func(context.Context, *store.Cell[int], weir.Record[string, string], func(weir.Record[string, string])) error {
		return nil
	})
	s.Process(store.None(), func(struct{}) weir.Processor[string, string, string, string] { return nil })
	s.Reduce(store.NewCell[string]("reduced"), func(soFar, next string) string { return soFar + next })
	s.Branch().When("dropped", func(string) bool { return true })
	s.Branch().Match("matched", func(v string) (string, bool) { return v, true })
	s.Map(same).To(topic)
	t.Validate()
}

func other(d *testkit.Driver, topology *stream.Topology) {
	d.Output(topic).Read()
	d.Output(topic).Values()
	topology.Describe()
	time.Now().Add(time.Second)
	var f func() window.Definition
	f() // a variable: nobody knows what it does
}
