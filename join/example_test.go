package join_test

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

var (
	trades = stream.NewTopic("trades", codec.String(), codec.String())
	quotes = stream.NewTopic("quotes", codec.String(), codec.String())
	out    = stream.NewTopic("out", codec.String(), codec.String())
)

// event is a trade or, with a topic, something else, at a second.
type event struct {
	topic  stream.Topic[string, string]
	second int64
	value  string
}

func trade(second int64, value string) event { return event{trades, second, value} }
func quote(second int64, value string) event { return event{quotes, second, value} }

// show sends events of one key to a join of trades and quotes, and prints what comes of it.
func show(build func(trades, quotes stream.Stream[string, string]) stream.Stream[string, string], events ...event) {
	t := stream.NewTopology()
	build(t.From(trades), t.From(quotes)).To(out)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		for _, e := range events {
			d.Input(e.topic).Send("ACME", e.value, time.Unix(e.second, 0))
		}
		for _, r := range d.Output(out).Read() {
			fmt.Println(r.Time.Unix(), r.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
}

func orNone(v *string) string {
	if v == nil {
		return "none"
	}
	return *v
}

func ExampleAsOf_Grace() {
	show(func(trades, quotes stream.Stream[string, string]) stream.Stream[string, string] {
		return trades.JoinAsOf(quotes, join.AsOf{}.Grace(time.Hour), func(trade, quote string) string {
			return trade + " at " + quote
		})
	}, trade(0, "100"), quote(1, "9.5"), trade(2, "200"), quote(3, "9.6"), trade(3, "300"))
	// Output:
	// 2 200 at 9.5
	// 3 300 at 9.6
}

// A trade is joined with a quote of the last two seconds, or with none.
func ExampleAsOf_Tolerance() {
	show(func(trades, quotes stream.Stream[string, string]) stream.Stream[string, string] {
		d := join.AsOf{}.Grace(time.Hour).Tolerance(2 * time.Second)
		return trades.LeftJoinAsOf(quotes, d, func(trade string, quote *string) string {
			return trade + " at " + orNone(quote)
		})
	}, quote(1, "9.5"), trade(3, "100"), trade(4, "200"))
	// Output:
	// 3 100 at 9.5
	// 4 200 at none
}

// A trade without a quote waits for one, by the clock of the machine.
func ExampleAsOf_Wait() {
	t := stream.NewTopology()
	d := join.AsOf{}.Wait(30*time.Second).MaxPerKey(1000, join.SettleOldest)
	t.From(trades).LeftJoinAsOf(t.From(quotes), d, func(trade string, quote *string) string {
		return trade + " at " + orNone(quote)
	}).To(out)
	err := testkit.Run(t, testkit.Config{Start: time.Unix(100, 0)}, func(d *testkit.Driver) {
		d.Input(trades).Send("ACME", "100", time.Unix(60, 0))
		d.Input(quotes).Send("ACME", "9.5", time.Unix(50, 0))
		d.Input(trades).Send("ABC", "200", time.Unix(60, 0))
		d.Advance(time.Minute)
		for _, r := range d.Output(out).Read() {
			fmt.Println(r.Key, r.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// ACME 100 at 9.5
	// ABC 200 at none
}

func ExampleAsOf_Forward() {
	show(func(trades, quotes stream.Stream[string, string]) stream.Stream[string, string] {
		d := join.AsOf{}.Grace(time.Hour).Tolerance(time.Minute).Forward()
		return trades.JoinAsOf(quotes, d, func(trade, quote string) string { return trade + " before " + quote })
	}, quote(1, "9.5"), trade(3, "100"), quote(5, "9.6"))
	// Output:
	// 3 100 before 9.6
}

func ExampleAsOf_Nearest() {
	show(func(trades, quotes stream.Stream[string, string]) stream.Stream[string, string] {
		d := join.AsOf{}.Grace(time.Hour).Tolerance(time.Minute).Nearest()
		return trades.JoinAsOf(quotes, d, func(trade, quote string) string { return trade + " near " + quote })
	}, quote(1, "9.5"), trade(4, "100"), quote(5, "9.6"))
	// Output:
	// 4 100 near 9.6
}

func ExampleWithin() {
	show(func(trades, quotes stream.Stream[string, string]) stream.Stream[string, string] {
		return trades.JoinInterval(quotes, join.Within(2*time.Second, time.Second), func(trade, quote string) string {
			return trade + " around " + quote
		})
	}, quote(1, "9.5"), quote(2, "9.6"), trade(4, "100"), quote(5, "9.7"), quote(6, "9.8"))
	// Output:
	// 4 100 around 9.6
	// 5 100 around 9.7
}

// What has no match comes once, when none can come any more.
func ExampleInterval_UnmatchedWhenFinal() {
	show(func(trades, quotes stream.Stream[string, string]) stream.Stream[string, string] {
		d := join.Within(time.Second, time.Second).Grace(10 * time.Second).UnmatchedWhenFinal()
		return trades.OuterJoinInterval(quotes, d, func(trade, quote *string) string {
			return orNone(trade) + " and " + orNone(quote)
		})
	}, trade(1, "100"), quote(2, "9.5"), quote(5, "9.6"), trade(20, "200"))
	// Output:
	// 2 100 and 9.5
	// 5 none and 9.6
}

// The first record of a gate waits until its owner is known. One of another gate is emitted without an owner when its time is over.
func ExampleBuffered() {
	owners := map[string]string{}
	lookup := join.LookupFunc[string, string](func(_ context.Context, gates []string, found []*string) error {
		for i, gate := range gates {
			if owner, ok := owners[gate]; ok {
				found[i] = &owner
			}
		}
		return nil
	})
	in, out := stream.NewTopic("gates", codec.String(), codec.String()), stream.NewTopic("owned", codec.String(), codec.String())
	t := stream.NewTopology()
	t.From(in).LeftJoinLookup(join.Buffered(lookup, 30*time.Second),
		func(gate string) string { return gate },
		func(gate string, owner *string) string { return gate + " of " + orNone(owner) },
	).To(out)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		gates := d.Input(in)
		gates.Send("k", "north", d.Now())
		gates.Send("k", "south", d.Now())
		owners["north"] = "Ada"
		gates.Send("k", "north", d.Now())
		d.Advance(30 * time.Second)
		for _, r := range d.Output(out).Read() {
			fmt.Println(r.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// north of Ada
	// north of Ada
	// south of none
}
