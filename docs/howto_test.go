package docs_test

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// The two pages with the most views of each hour. Each stage closes its windows with an Advance of its own.
func Example_topOfEachHour() {
	type PageViews struct {
		Page  string
		Views int64
	}
	views := stream.NewTopic("views", codec.String(), codec.String()) // by page: the visitor
	top := stream.NewTopic("top", codec.String(), codec.JSON[[]PageViews]())
	t := stream.NewTopology()

	t.From(views).
		Window(window.Tumbling(time.Hour)).
		Aggregate(window.Count[string]()).
		Final().
		MapRecord(func(_ context.Context, r weir.Record[string, window.Result[int64]]) (PageViews, error) {
			return PageViews{r.Key, r.Value.Value}, nil
		}).
		GroupBy("all", func(PageViews) string { return "all" }).
		Window(window.Tumbling(time.Hour)).
		Aggregate(window.TopN(2, func(p PageViews) PageViews { return p }, func(a, b PageViews) int {
			return cmp.Or(cmp.Compare(a.Views, b.Views), cmp.Compare(b.Page, a.Page))
		})).
		Final().
		Map(func(w window.Result[[]PageViews]) []PageViews { return w.Value }).
		To(top)

	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	err := testkit.Run(t, testkit.Config{Start: begin, IdleTimeout: time.Minute}, func(d *testkit.Driver) {
		for i, page := range []string{"/", "/sale", "/", "/help", "/sale", "/"} {
			d.Input(views).Send(page, "ann", begin.Add(time.Duration(i)*time.Minute))
		}
		for range 3 {
			d.Advance(2 * time.Hour)
		}
		fmt.Println(d.Output(top).Values())
	})
	fmt.Println(err)
	// Output:
	// [[{/ 3} {/sale 2}]]
	// <nil>
}

// Without the bounds of its windows, a stream fits a topic of counts.
func Example_valueOfAWindow() {
	lines := stream.NewTopic("lines", codec.String(), codec.String())
	totals := stream.NewTopic("totals", codec.String(), codec.Int64())
	t := stream.NewTopology()
	t.From(lines).
		Window(window.Tumbling(time.Hour)).
		Aggregate(window.Count[string]()).
		Final().
		Map(func(w window.Result[int64]) int64 { return w.Value }).
		To(totals)
	fmt.Println(t.Validate())
	// Output: <nil>
}

func Example_lookupByKey() {
	type Device struct{ Limit float64 }
	type Reading struct {
		Celsius float64
		Device  *Device
	}
	t := stream.NewTopology()
	readings := t.From(stream.NewTopic("readings", codec.String(), codec.Float64()))
	unknown := stream.NewTopic("unknown", codec.String(), codec.Float64())
	alerts := stream.NewTopic("alerts", codec.String(), codec.JSON[Reading]())
	devices := join.LookupFunc[string, Device](func(_ context.Context, ids []string, found []*Device) error {
		for i, id := range ids {
			if id == "boiler" {
				found[i] = &Device{Limit: 90}
			}
		}
		return nil
	})

	known := readings.LeftJoinLookupRecord(devices,
		func(_ context.Context, r weir.Record[string, float64]) (string, error) { return r.Key, nil },
		func(_ context.Context, r weir.Record[string, float64], d *Device) (Reading, error) {
			return Reading{r.Value, d}, nil
		}).Branch()
	known.When("unknown", func(r Reading) bool { return r.Device == nil }).Map(func(r Reading) float64 { return r.Celsius }).To(unknown)
	hot := known.When("hot", func(r Reading) bool { return r.Celsius > r.Device.Limit })

	hot.To(alerts)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		in := d.Input(stream.NewTopic("readings", codec.String(), codec.Float64()))
		in.Send("boiler", 95, time.UnixMilli(0))
		in.Send("freezer", -18, time.UnixMilli(0))
		fmt.Println(d.Output(unknown).Values(), len(d.Output(alerts).Values()))
	})
	fmt.Println(err)
	// Output:
	// [-18] 1
	// <nil>
}
