package window_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// EX-56, W-1. With count and step in the names of windows by count.
func TestStoreNames(t *testing.T) {
	for want, d := range map[string]window.Definition{
		"tumbling_window_3600000":     window.Tumbling(time.Hour),
		"p_hopping_window_10000_5000": window.Hopping(10*time.Second, 5*time.Second).Name("p"),
		"sliding_window_1000":         window.Sliding(time.Second).Grace(time.Minute),
		"session_window_1000":         window.Session(time.Second).CloseByPartition(),
		"tumbling_count_window_3":     window.TumblingCount(3),
		"hopping_count_window_5_2":    window.HoppingCount(5, 2),
		"hopping_count_window_5_5":    window.HoppingCount(5, 5),
		"sliding_count_window_5":      window.SlidingCount(5),
	} {
		if got := d.StoreName(); got != want {
			t.Errorf("%v: store %q, want %q", d, got, want)
		}
	}
}

// W-2, and the table of 3.1. What is wrong with windows is found before anything runs, and with the line that declared it.
func TestValidateFindsWrongWindows(t *testing.T) {
	second := time.Second
	sum := window.Sum(func(n int) int { return n })
	for _, c := range []struct {
		want string
		d    window.Definition
		with func(stream.Aggregated[string, int, int]) stream.Aggregated[string, int, int]
	}{
		{want: "size 0s: must be positive", d: window.Tumbling(0)},
		{want: "size -1s: must be positive", d: window.Sliding(-second)},
		{want: "size 1.5ms: must be a whole number", d: window.Session(1500 * time.Microsecond)},
		{want: "step 0s: must be positive", d: window.Hopping(second, 0)},
		{want: "step 1s: must be smaller than the size", d: window.Hopping(second, second)},
		{want: "step 1.5ms: must be a whole", d: window.Hopping(second, 1500*time.Microsecond)},
		{want: "grace -1s: must not be negative", d: window.Tumbling(second).Grace(-second)},
		{want: "window of 1 records", d: window.TumblingCount(1)},
		{want: "step of 0 records", d: window.HoppingCount(3, 0)},
		{want: "step of 4 records: must not be greater", d: window.HoppingCount(3, 4)},
		{want: "windows by count have none", d: window.SlidingCount(3).Grace(second)},
		{want: "by count cannot close by partition", d: window.SlidingCount(3).CloseByPartition()},
		{want: "EveryRecords", d: window.Tumbling(second), with: func(a stream.Aggregated[string, int, int]) stream.Aggregated[string, int, int] {
			return a.EveryRecords(0)
		}},
		{want: "EveryTime", d: window.Tumbling(second), with: func(a stream.Aggregated[string, int, int]) stream.Aggregated[string, int, int] {
			return a.EveryTime(time.Microsecond)
		}},
		{want: "cannot be emitted early", d: window.Sliding(second), with: func(a stream.Aggregated[string, int, int]) stream.Aggregated[string, int, int] {
			return a.EveryRecords(2)
		}},
		{want: "are for tumbling and hopping windows", d: window.Session(second), with: func(a stream.Aggregated[string, int, int]) stream.Aggregated[string, int, int] {
			return a.CloseAfter(func(int) bool { return true })
		}},
		{want: "EmitWhen: the function is nil", d: window.Tumbling(second), with: func(a stream.Aggregated[string, int, int]) stream.Aggregated[string, int, int] {
			return a.EmitWhen(nil)
		}},
		{want: "EmitWhenRecord: the function is nil", d: window.Tumbling(second), with: func(a stream.Aggregated[string, int, int]) stream.Aggregated[string, int, int] {
			return a.EmitWhenRecord(nil)
		}},
		{want: "CloseAfter: the function is nil", d: window.Tumbling(second), with: func(a stream.Aggregated[string, int, int]) stream.Aggregated[string, int, int] {
			return a.CloseAfter(nil)
		}},
		{want: "CloseAfterRecord: the function is nil", d: window.Tumbling(second), with: func(a stream.Aggregated[string, int, int]) stream.Aggregated[string, int, int] {
			return a.CloseAfterRecord(nil)
		}},
		{want: "CloseBefore: the function is nil", d: window.Tumbling(second), with: func(a stream.Aggregated[string, int, int]) stream.Aggregated[string, int, int] {
			return a.CloseBefore(nil)
		}},
		{want: "CloseBeforeRecord: the function is nil", d: window.Tumbling(second), with: func(a stream.Aggregated[string, int, int]) stream.Aggregated[string, int, int] {
			return a.CloseBeforeRecord(nil)
		}},
	} {
		topology := stream.NewTopology()
		a := topology.From(stream.NewTopic("in", codec.String(), codec.Int())).Window(c.d).Aggregate(sum)
		if c.with != nil {
			a = c.with(a)
		}
		a.Final()
		err := topology.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "validate_test.go:") {
			t.Errorf("%v: error %v, want %q and the line", c.d, err, c.want)
		}
	}
	for _, d := range []window.Definition{window.Sliding(second), window.Session(second)} {
		topology := stream.NewTopology()
		topology.From(stream.NewTopic("in", codec.String(), codec.Int())).Window(d).
			Aggregate(window.Reduce(func(n int) int { return n }, func(a, n int) int { return a + n })).Final()
		if err := topology.Validate(); err == nil || !strings.Contains(err.Error(), "cannot merge") {
			t.Errorf("%v: error %v", d, err)
		}
	}
	topology := stream.NewTopology()
	in := topology.From(stream.NewTopic("in", codec.String(), codec.Int()))
	in.Window(window.Tumbling(second)).Aggregate(sum).Final()
	in.Window(window.Tumbling(second).Grace(second)).Aggregate(sum).Current()
	if err := topology.Validate(); err == nil || !strings.Contains(err.Error(), "tumbling_window_1000") {
		t.Errorf("two windows of one name: error %v", err)
	}
}
