package aggregatetest_test

import (
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/stream/internal/streamtest"
	"github.com/weirstreams/weir/window"
)

// loudest is an aggregator of a program, with a name of its own; loudestRenamed is the same after its type was renamed.
type (
	loudest struct {
		window.Aggregator[row.Row, int64, int64]
	}
	loudestRenamed struct {
		window.Aggregator[row.Row, int64, int64]
	}
)

func (loudest) AccumulatorName() string        { return "loudest" }
func (loudestRenamed) AccumulatorName() string { return "loudest" }

// Accumulators of one type can hold different things: the state of one aggregator is none of another, in a window and without one.
func TestDiffSeesOtherAggregatorsOfTheSameAccumulator(t *testing.T) {
	a, b := row.Col("a"), row.Col("b")
	number := func(row.Row) int64 { return 0 }
	first := func(x, _ row.Value) row.Value { return x }
	counted := window.Count[row.Row]()
	for name, c := range map[string]struct {
		before, after aggregated
		same          bool
	}{
		"minimum and maximum":                      {by(window.Min(number)), by(window.Max(number)), false},
		"number of the top values":                 {by(window.TopN(3, number, func(x, y int64) int { return int(x - y) })), by(window.TopN(4, number, func(x, y int64) int { return int(x - y) })), false},
		"sum and mean of a column":                 {by(a.Sum()), by(a.Mean()), false},
		"first and last of a column":               {by(a.First()), by(a.Last()), false},
		"count of values and of rows":              {by(a.Count()), by(row.CountRows()), false},
		"another column":                           {by(a.Sum()), by(b.Sum()), false},
		"columns in another order":                 {by(row.Aggregates(a.Sum().As("x"), b.Sum().As("y"))), by(row.Aggregates(b.Sum().As("y"), a.Sum().As("x"))), false},
		"one column more":                          {by(row.Aggregates(a.Sum())), by(row.Aggregates(a.Sum(), row.CountRows())), false},
		"columns of combined aggregators":          {by(window.Combine2(a.Sum(), b.Max(), first)), by(window.Combine2(a.Mean(), b.Max(), first)), false},
		"another name of a column":                 {by(row.Aggregates(a.Sum().As("x"))), by(row.Aggregates(a.Sum().As("y"))), true},
		"the name of the type of a program":        {by(loudest{counted}), by(loudestRenamed{counted}), true},
		"an aggregator of a program, and its part": {by(loudest{counted}), by(counted), false},
	} {
		for form, inventory := range map[string]func(aggregated) stream.Inventory{"a window": inWindow, "no window": withoutWindow} {
			t.Run(name+", "+form, func(t *testing.T) {
				before, after := inventory(c.before), inventory(c.after)
				changes := stream.Diff(before, after)
				switch {
				case c.same && (len(changes) > 0 || before.Fingerprint() != after.Fingerprint()):
					t.Errorf("changes: %v", changes)
				case !c.same && (len(changes) != 1 || changes[0].Kind != stream.StateReinterpreted || before.Fingerprint() == after.Fingerprint()):
					t.Errorf("changes: %v, want one of kind %q", changes, stream.StateReinterpreted)
				}
			})
		}
	}
	// A version that did not write aggregators without a window down is not told from this one.
	before := withoutWindow(by(a.Sum()))
	before.Streams[0].Stores[0].Meaning = ""
	if changes := stream.Diff(before, withoutWindow(by(a.Sum()))); len(changes) > 0 {
		t.Errorf("changes since a version without meanings: %v", changes)
	}
}

// aggregated declares an aggregation of rows, in a window or without one.
type aggregated func(s stream.Stream[string, row.Row], inWindow bool)

func by[A, R any](a window.Aggregator[row.Row, A, R]) aggregated {
	return func(s stream.Stream[string, row.Row], inWindow bool) {
		if inWindow {
			streamtest.Read(s.Window(window.Tumbling(time.Minute)).Aggregate(a).Final())
			return
		}
		streamtest.Read(s.Aggregate("s", a))
	}
}

func inWindow(f aggregated) stream.Inventory { return inventoryOf(f, true) }

func withoutWindow(f aggregated) stream.Inventory { return inventoryOf(f, false) }

func inventoryOf(f aggregated, inWindow bool) stream.Inventory {
	topology := stream.NewTopology()
	f(topology.From(stream.NewTopic("rows", codec.String(), row.JSON())), inWindow)
	return topology.Inventory()
}
