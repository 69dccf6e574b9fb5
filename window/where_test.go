package window_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/ability"
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

func TestWhereCanDoWhatItsAggregatorCan(t *testing.T) {
	all := func(int) bool { return true }
	of := func(n int) int { return n }
	if a := window.Where(all, window.Sum(of)); mergerOf(a) == nil || collectorOf(a) != nil || ordererOf(a) != nil {
		t.Error("sum: want merging alone")
	}
	if a := window.Where(all, window.Collect[int]()); mergerOf(a) == nil || collectorOf(a) == nil {
		t.Error("collect: want collecting")
	}
	if a := window.Where(all, window.Reduce(of, func(a, n int) int { return a + n })); mergerOf(a) != nil {
		t.Error("reduce: want no merging")
	}
	odd := window.Where(func(n int) bool { return n%2 == 1 }, window.Last(of))
	if got := fold(t, odd, []int{1, 2, 3, 4}, 2); got != 3 {
		t.Errorf("the last odd number is %d, want 3", got)
	}
	lists := stream.NewTopic("lists", codec.String(), codec.JSON[window.Result[[]int]]())
	numbers := stream.NewTopic("numbers", codec.String(), codec.Int())
	topology := stream.NewTopology()
	topology.From(numbers).Window(window.TumblingCount(4)).
		Aggregate(window.Where(func(n int) bool { return n%2 == 1 }, window.Collect[int]())).Final().To(lists)
	driver := testkit.New(t, topology, testkit.Config{})
	for n := range 4 {
		driver.Input(numbers).Send("k", n, time.UnixMilli(0))
	}
	if diff := cmp.Diff([]window.Result[[]int]{{Value: []int{1, 3}}}, driver.Output(lists).Values()); diff != "" {
		t.Errorf("collected (-want +got):\n%s", diff)
	}
}

// W-11, W-12. The name under which accumulators are stored is that of what they are, not of the types of a program.
func TestNamesOfAccumulators(t *testing.T) {
	type money int64
	of := func(money) money { return 0 }
	for want, a := range map[string]any{
		"sum int64":                        window.Sum(of),
		"min int64, layout 2":              window.Min(of),
		"max float32, layout 2":            window.Max(func(money) float32 { return 0 }),
		"min string, layout 2":             window.Min(func(money) string { return "" }),
		"max by function struct, layout 2": window.MaxFunc(func(money) time.Time { return time.Time{} }, time.Time.Compare),
		"optional mean":                    window.Optional(window.Mean(of)),
		"top 3":                            window.TopN(3, of, func(a, b money) int { return 0 }),
		"(count, (where first, collect))": window.Combine3(window.Count[money](), window.Where(func(money) bool { return true }, window.First(of)),
			window.Collect[money](), func(int64, money, []money) int { return 0 }),
		"reduce": window.ReduceMerging(func(money) int { return 0 }, func(int, money) int { return 0 }, func(int, int) int { return 0 }),
		"custom": window.Custom(func() int { return 0 }, func(*int, money) {}, func(*int) int { return 0 }),
	} {
		if got := ability.Name(a); got != want {
			t.Errorf("name %q, want %q", got, want)
		}
	}
}
