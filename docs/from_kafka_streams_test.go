package docs

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

func Example_fromKafkaStreamsWordCount() {
	lines := stream.NewTopic("lines", codec.String(), codec.String())
	counts := stream.NewTopic("counts", codec.String(), codec.Int64())

	t := stream.NewTopology()
	t.From(lines).
		FlatMap(strings.Fields).
		GroupBy("word", func(word string) string { return word }).
		Aggregate("count", window.Count[string]()).
		To(counts)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(lines).Send("", "to be or not to be", time.UnixMilli(0))
		for _, r := range d.Output(counts).Read() {
			fmt.Println(r.Key, r.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// to 1
	// be 1
	// or 1
	// not 1
	// to 2
	// be 2
}

func Example_fromKafkaStreamsWindows() {
	readings := stream.NewTopic("readings", codec.String(), codec.JSON[float64]())
	means := stream.NewTopic("means", codec.String(), codec.JSON[window.Result[float64]]())

	t := stream.NewTopology()
	t.From(readings).
		Window(window.Hopping(5*time.Minute, time.Minute).Grace(30 * time.Second)).
		Aggregate(window.Mean(func(celsius float64) float64 { return celsius })).
		Final().
		To(means)
	fmt.Println(t.Validate())
	// Output: <nil>
}

func Example_fromKafkaStreamsTables() {
	type order struct{ Item string }
	type customer struct{ Name string }
	type line struct{ Item, Customer string }
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	customers := stream.NewTopic("customers", codec.String(), codec.JSON[customer]())
	out := stream.NewTopic("lines", codec.String(), codec.JSON[line]())

	t := stream.NewTopology()
	lines := t.From(orders).LeftJoinTable(t.Table(customers), func(o order, c *customer) line {
		if c == nil {
			return line{Item: o.Item}
		}
		return line{Item: o.Item, Customer: c.Name}
	})
	lines.To(out)
	fmt.Println(t.Validate())
	// Output: <nil>
}
