// Package combinedtest_test computes several aggregates of one window. It is a package of its own for the memory that its types take to compile: see
// internal/compilecost.
package combinedtest_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

type point struct {
	X *int `json:"x"`
}

func hasX(p point) bool { return p.X != nil }
func x(p point) int     { return *p.X }

type multiple struct {
	N     int64   `json:"n"`
	S     int     `json:"s"`
	M     float64 `json:"m"`
	F     int     `json:"f"`
	L     int     `json:"l"`
	Items []*int  `json:"items"`
}

// ex11 is agg(n=Count(), s=Sum("x"), m=Mean("x"), f=First("x"), l=Latest("x"), items=Collect("x")).
func ex11() window.Aggregator[point, window.Pair[window.Pair[int64, window.Pair[window.SumState[int], window.MeanState]], window.Pair[window.Picked[int], window.Pair[window.Picked[int], struct{}]]], multiple] {
	type three struct {
		first, latest int
		items         []*int
	}
	return window.Combine2(
		window.Combine3(window.Count[point](), window.Where(hasX, window.Sum(x)), window.Where(hasX, window.Mean(x)),
			func(n int64, s int, m float64) multiple { return multiple{N: n, S: s, M: m} }),
		window.Combine3(window.Where(hasX, window.First(x)), window.Where(hasX, window.Latest(x)), window.Collect[point](),
			func(f, l int, points []point) three {
				items := make([]*int, len(points))
				for i, p := range points {
					items[i] = p.X
				}
				return three{f, l, items}
			}),
		func(m multiple, t three) multiple {
			m.F, m.L, m.Items = t.first, t.latest, t.items
			return m
		})
}

// EX-11, W-5, W-10, W-12, W-21. Several aggregates of a field that can be missing: Count and Collect see the record all
// the same. With a restart after every record, and in sliding windows too, where accumulators are merged.
func TestSeveralAggregatesOfAFieldThatCanBeMissing(t *testing.T) {
	in := stream.NewTopic("in", codec.String(), codec.JSON[point]())
	out := stream.NewTopic("out", codec.String(), codec.JSON[window.Result[multiple]]())
	number := func(n int) *int { return &n }
	for _, c := range []struct {
		d    window.Definition
		want string
	}{
		{window.Tumbling(10 * time.Millisecond), `{"start":0,"end":10,"value":{"n":4,"s":12,"m":4,"f":2,"l":4,"items":[2,null,6,4]}}`},
		// The windows that end at 1, 2, 3 are not asked for here, but that at 5: the last to close.
		{window.Sliding(10 * time.Millisecond).Grace(5 * time.Millisecond), `{"start":0,"end":5,"value":{"n":4,"s":12,"m":4,"f":2,"l":4,"items":[2,null,6,4]}}`},
		{window.Session(5 * time.Millisecond).CloseByPartition(), `{"start":1,"end":5,"value":{"n":4,"s":12,"m":4,"f":2,"l":4,"items":[2,null,6,4]}}`},
	} {
		topology := stream.NewTopology()
		topology.From(in).Window(c.d).Aggregate(ex11()).Final().To(out)
		driver := testkit.New(t, topology, testkit.Config{})
		input, output := driver.Input(in), driver.Output(out)
		var last testkit.Record[string, window.Result[multiple]]
		for _, r := range []struct {
			at int64
			x  *int
		}{{1, number(2)}, {2, nil}, {5, number(4)}, {3, number(6)}, {20, number(1)}} {
			input.Send("k", point{r.x}, time.UnixMilli(r.at))
			for _, last = range output.Read() {
			}
			driver.Restart()
		}
		got, err := json.Marshal(last.Value)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, string(got)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.d, diff)
		}
		if start := last.Value.Start(); !last.Time.Equal(start) {
			t.Errorf("%v: the result has the time %v, want that of the start, %v", c.d, last.Time, start)
		}
	}
}
