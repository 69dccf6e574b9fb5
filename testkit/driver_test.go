package testkit_test

import (
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

type sale struct {
	Shop   string
	Amount int
}

var (
	sales  = stream.NewTopic("sales", codec.String(), codec.JSON[sale]())
	totals = stream.NewTopic("totals", codec.String(), codec.Int())
	hours  = stream.NewTopic("hours", codec.String(), codec.JSON[window.Result[int]]())
	total  = store.NewCell[int]("total")
)

// shops groups sales by shop and keeps a running total and a sum per second.
func shops() *stream.Topology {
	t := stream.NewTopology()
	byShop := t.From(sales).
		Filter(func(s sale) bool { return s.Amount > 0 }).
		GroupBy("shop", func(s sale) string { return s.Shop })
	byShop.MapState(total, func(c *store.Cell[int], s sale) int {
		n, _ := c.Get()
		c.Set(n + s.Amount)
		return n + s.Amount
	}).To(totals)
	byShop.Window(window.Tumbling(time.Second)).
		Aggregate(window.Sum(func(s sale) int { return s.Amount })).
		Final().
		To(hours)
	return t
}

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// D-28.
func TestDriverRunsThroughRepartitionTopicStateAndWindows(t *testing.T) {
	d := testkit.New(t, shops(), testkit.Config{Partitions: 3, Workers: 2})
	in, out, windows := d.Input(sales), d.Output(totals), d.Output(hours)
	in.Send("x", sale{"a", 3}, at(100))
	in.Send("y", sale{"a", 4}, at(200))
	in.Send("z", sale{"a", -1}, at(300))
	out.Expect(
		testkit.Record[string, int]{Key: "a", Value: 3, Time: at(100)},
		testkit.Record[string, int]{Key: "a", Value: 7, Time: at(200)},
	)
	windows.ExpectValues()
	in.Send("x", sale{"a", 5}, at(1000))
	windows.Expect(testkit.Record[string, window.Result[int]]{
		Key: "a", Value: window.Result[int]{StartMillis: 0, EndMillis: 1000, Value: 7}, Time: at(0),
	})
	if got, ok := d.Cell(total, "a"); !ok || got != 12 {
		t.Errorf("total of a = %d, %v; want 12", got, ok)
	}
}

// K-42, K-45.
func TestStateSurvivesRestartAndCrash(t *testing.T) {
	for _, c := range []struct {
		name string
		stop func(*testkit.Driver)
		want []int
	}{
		{"restart", (*testkit.Driver).Restart, nil},
		{"crash after checkpoint", func(d *testkit.Driver) { d.Checkpoint(); d.Crash(testkit.KeepState) }, nil},
		{"crash after checkpoint, disk lost", func(d *testkit.Driver) { d.Checkpoint(); d.Crash(testkit.LoseState) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := testkit.New(t, shops(), testkit.Config{Partitions: 2})
			in, out := d.Input(sales), d.Output(totals)
			in.Send("x", sale{"a", 3}, at(100))
			in.Send("y", sale{"b", 4}, at(200))
			out.Read()
			c.stop(d)
			out.ExpectValues(c.want...)
			in.Send("x", sale{"a", 3}, at(100))
			out.ExpectValues(6)
			in.Send("x", sale{"b", 3}, at(100))
			out.ExpectValues(7)
		})
	}
}

func TestCrashProcessesTheRecordsSinceTheLastCheckpointAgain(t *testing.T) {
	d := testkit.New(t, shops(), testkit.Config{})
	in, out := d.Input(sales), d.Output(totals)
	in.Send("x", sale{"a", 3}, at(100))
	d.Advance(time.Minute)
	in.Send("x", sale{"a", 4}, at(200))
	out.ExpectValues(3, 7)
	d.Crash(testkit.KeepState)
	// The second sale is in the repartition topic twice now: at least once.
	out.ExpectValues(7, 11)
	in.Send("x", sale{"a", 1}, at(300))
	out.ExpectValues(12)
}
