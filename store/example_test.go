package store_test

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// A cell that holds how often each page was seen.
func Example() {
	views := stream.NewTopic("views", codec.String(), codec.String())
	counts := stream.NewTopic("counts", codec.String(), codec.Int())
	seen := store.NewCell[int]("seen")

	t := stream.NewTopology()
	t.From(views).
		MapState(seen, func(c *store.Cell[int], _ string) int {
			n, _ := c.Get()
			c.Set(n + 1)
			return n + 1
		}).
		To(counts)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		for _, page := range []string{"home", "help", "home"} {
			d.Input(views).Send(page, "view", time.UnixMilli(0))
		}
		n, _ := d.Cell(seen, "home")
		fmt.Println("home:", n)
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: home: 2
}

// A state that is stored in a form of its own.
func ExampleCellHandle_WithCodec() {
	type Visit struct{ Page, Browser string }
	last := store.NewCell[Visit]("last").WithCodec(codec.JSON[Visit]())

	fmt.Println(last.Name())
	// Output: last
}

// The rate of the day on which a payment was made, although payments come late and rates are corrected.
func ExampleNewVersioned() {
	type event struct {
		Rate, Amount float64
	}
	events := stream.NewTopic("events", codec.String(), codec.JSON[event]())
	converted := stream.NewTopic("converted", codec.String(), codec.JSON[float64]())
	rates := store.NewVersioned[float64]("rates", 7*24*time.Hour)

	t := stream.NewTopology()
	t.From(events).
		FlatMapStateRecord(rates, func(_ context.Context, v *store.Versioned[float64], r weir.Record[string, event]) ([]float64, error) {
			if r.Value.Rate > 0 {
				v.Put(r.Value.Rate, r.Time())
				return nil, nil
			}
			rate, ok := v.AsOf(r.Time())
			if !ok {
				return nil, nil
			}
			return []float64{rate * r.Value.Amount}, nil
		}).
		To(converted)

	day := func(n int) time.Time { return time.Date(2026, time.November, n, 12, 0, 0, 0, time.UTC) }
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(events).Send("EUR", event{Rate: 2}, day(1))
		d.Input(events).Send("EUR", event{Rate: 3}, day(3))
		d.Input(events).Send("EUR", event{Amount: 10}, day(2)) // a late payment
		for _, r := range d.Output(converted).Read() {
			fmt.Println(r.Key, r.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: EUR 20
}
