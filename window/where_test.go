package window_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/ability"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

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
	digits := stream.NewTopic("digits", codec.String(), codec.JSON[window.Result[int]]())
	numbers := stream.NewTopic("numbers", codec.String(), codec.Int())
	topology := stream.NewTopology()
	topology.From(numbers).Window(window.TumblingCount(4)).
		Aggregate(window.Combine2(window.Where(func(n int) bool { return n%2 == 1 }, window.Collect[int]()), window.Count[int](), func(odd []int, all int64) int {
			n := int(all)
			for _, o := range odd {
				n = 10*n + o
			}
			return n
		})).Final().To(digits)
	driver := testkit.New(t, topology, testkit.Config{})
	for n := range 4 {
		driver.Input(numbers).Send("k", n, time.UnixMilli(0))
	}
	if diff := cmp.Diff([]window.Result[int]{{Value: 413}}, driver.Output(digits).Values()); diff != "" {
		t.Errorf("the number of records and the odd ones (-want +got):\n%s", diff)
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
