package row_test

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// Sensors that report no temperature are counted, and do not change the mean.
func ExampleAggregates() {
	in := stream.NewTopic("readings", codec.String(), row.JSON())
	out := stream.NewTopic("minutes", codec.String(), row.JSON())
	t := stream.NewTopology()
	celsius := row.Col("celsius")
	t.From(in).Window(window.Tumbling(time.Minute)).
		Aggregate(row.Aggregates(row.CountRows().As("n"), celsius.Mean(), celsius.Max())).
		Final().Map(row.WithBounds).To(out)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		for i, text := range []string{`{"celsius":20}`, `{"volt":12}`, `{"celsius":22}`, `{"celsius":null}`} {
			r, err := row.Parse(text)
			if err != nil {
				fmt.Println(err)
			}
			d.Input(in).Send("boiler", r, time.Unix(int64(20*i), 0))
		}
		for _, r := range d.Output(out).Values() {
			fmt.Println(r)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: {"n":3,"mean":21.0,"max":22,"start":0,"end":60000}
}
