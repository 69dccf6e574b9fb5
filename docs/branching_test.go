package docs

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func Example_branching() {
	type Event struct{ Amount int }
	type Refund struct{ Amount int }
	input := stream.NewTopic("events", codec.String(), codec.JSON[Event]())
	Urgent := stream.NewTopic("urgent", codec.String(), codec.JSON[Event]())
	Normal := stream.NewTopic("normal", codec.String(), codec.JSON[Event]())
	refunded := stream.NewTopic("refunds", codec.String(), codec.JSON[Refund]())
	t := stream.NewTopology()
	events := t.From(input)

	kinds := events.Branch()
	large := kinds.When("large", func(e Event) bool { return e.Amount > 1000 })
	refunds := kinds.Match("refunds", func(e Event) (Refund, bool) { return Refund{-e.Amount}, e.Amount < 0 })
	rest := kinds.Otherwise("rest")

	large.ToOneOf(func(_ context.Context, r weir.Record[string, Event]) (stream.Topic[string, Event], error) {
		if r.Value.Amount > 5000 {
			return Urgent, nil
		}
		return Normal, nil
	}, Urgent, Normal)
	rest.ToWith(Normal, weir.Write[string, Event]{
		Key: func(r weir.Record[string, Event]) string { return "rest-" + r.Key },
	})
	large.ToDynamic(Normal, func(_ context.Context, r weir.Record[string, Event]) (string, error) {
		return "large-of-" + r.Key, nil
	})

	refunds.To(refunded)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		for _, amount := range []int{9000, 2000, -5, 7} {
			d.Input(input).Send("k", Event{amount}, time.Unix(0, 0))
		}
		fmt.Println(d.Output(Urgent).Values(), d.Output(refunded).Values())
		for _, r := range d.Output(Normal).Read() {
			fmt.Println(r.Key, r.Value)
		}
		fmt.Println(d.Output(stream.NewTopic("large-of-k", codec.String(), codec.JSON[Event]())).Values())
	})
	fmt.Println(err)
	// Output:
	// [{9000}] [{5}]
	// k {2000}
	// rest-k {7}
	// [{9000} {2000}]
	// <nil>
}
