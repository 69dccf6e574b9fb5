package docs

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

func Example_state() {
	type Payment struct {
		Shop   string
		Amount int
	}
	type Statement struct{ Balance, Shops int }
	input := stream.NewTopic("payments", codec.String(), codec.JSON[Payment]())
	output := stream.NewTopic("statements", codec.String(), codec.JSON[Statement]())
	t := stream.NewTopology()
	payments := t.From(input)

	type account struct {
		Balance *store.Cell[int]
		Recent  *store.Map[string, int]
	}
	balance, recent := store.NewCell[int]("balance"), store.NewMap[string, int]("recent").WithTTL(time.Hour)
	accounts := store.Group(func(o *store.Opener) account {
		return account{Balance: o.Open(balance), Recent: o.Open(recent)}
	})

	statements := payments.MapState(accounts, func(a account, p Payment) Statement {
		n, _ := a.Balance.Get()
		a.Balance.Set(n + p.Amount)
		a.Recent.Set(p.Shop, p.Amount)
		shops := 0
		for range a.Recent.All() {
			shops++
		}
		return Statement{n + p.Amount, shops}
	})

	statements.To(output)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		for i, shop := range []string{"mill", "weir", "mill", "weir"} {
			d.Input(input).Send("ann", Payment{shop, 10}, time.Unix(int64(i)*1500, 0))
		}
		fmt.Println(d.Output(output).Values())
	})
	fmt.Println(err)
	// Output:
	// [{10 1} {20 2} {30 2} {40 2}]
	// <nil>
}

func Example_storesWithoutAChangelog() {
	type Payment struct{ Amount int }
	input := stream.NewTopic("payments", codec.String(), codec.JSON[Payment]())
	output := stream.NewTopic("first", codec.String(), codec.JSON[Payment]())
	t := stream.NewTopology()
	payments := t.From(input)

	seen := store.NewCell[int]("seen").WithoutChangelog()

	first := payments.FilterState(seen, func(c *store.Cell[int], p Payment) bool {
		n, _ := c.Get()
		c.Set(n + 1)
		return n == 0
	})

	first.To(output)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		for i := range 3 {
			d.Input(input).Send("ann", Payment{i}, time.Unix(int64(i), 0))
		}
		fmt.Println(d.Output(output).Values())
	})
	fmt.Println(err)
	// Output:
	// [{0}]
	// <nil>
}

type (
	Reading struct{ Celsius float64 }
	Alert   struct{ Text string }
)

type silence struct {
	weir.ProcessorBase[string, string, Alert]
	timers *store.Timers
}

func (s *silence) Process(_ context.Context, r weir.Record[string, Reading]) error {
	s.timers.Set(weir.EventTime, "silent", r.Time().Add(time.Minute))
	return nil
}

func (s *silence) OnTimer(_ context.Context, t weir.Timer[string]) error {
	return s.Forward(weir.Record[string, Alert]{Key: t.Key, Value: Alert{"silent"}, Millis: t.Millis})
}

func Example_processors() {
	input := stream.NewTopic("readings", codec.String(), codec.JSON[Reading]())
	alerts := stream.NewTopic("alerts", codec.String(), codec.JSON[Alert]())
	t := stream.NewTopology()
	t.From(input).
		Process(store.NewTimers("silence"), func(timers *store.Timers) weir.Processor[string, Reading, string, Alert] {
			return &silence{timers: timers}
		}).
		To(alerts)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(input).Send("oven", Reading{200}, time.Unix(0, 0))
		d.Input(input).Send("fridge", Reading{4}, time.Unix(60, 0))
		for _, r := range d.Output(alerts).Read() {
			fmt.Println(r.Key, r.Value, r.Time.Unix())
		}
	})
	fmt.Println(err)
	// Output:
	// oven {silent} 60
	// <nil>
}
