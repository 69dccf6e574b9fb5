package main

import (
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// The topics of the steps before there are alerts.
var (
	accepted = stream.NewTopic("accepted", codec.String(), codec.JSON[Payment]())
	spending = stream.NewTopic("spending", codec.String(), codec.JSON[window.Result[int64]]())
)

func copied() *stream.Topology {
	t := stream.NewTopology()
	t.From(payments).
		To(accepted)
	return t
}

func filtered() *stream.Topology {
	t := stream.NewTopology()
	t.From(payments).
		Filter(func(p Payment) bool { return p.Cents > 0 }).
		To(accepted)
	return t
}

func summed() *stream.Topology {
	t := stream.NewTopology()
	t.From(payments).
		Filter(func(p Payment) bool { return p.Cents > 0 }).
		GroupBy("card", func(p Payment) string { return p.Card }).
		Window(window.Tumbling(time.Hour).Grace(5 * time.Minute)).
		Aggregate(window.Sum(func(p Payment) int64 { return p.Cents })).
		Current().
		To(spending)
	return t
}

func joined() *stream.Topology {
	t := stream.NewTopology()
	limits := t.Table(cards)
	t.From(payments).
		Filter(func(p Payment) bool { return p.Cents > 0 }).
		GroupBy("card", func(p Payment) string { return p.Card }).
		Window(window.Tumbling(time.Hour).Grace(5*time.Minute)).
		Aggregate(window.Sum(func(p Payment) int64 { return p.Cents })).
		Current().
		JoinTable(limits, func(spent window.Result[int64], c Card) Alert {
			return Alert{c.Owner, spent.Start().UTC(), spent.Value, c.Limit}
		}).
		Filter(func(a Alert) bool { return a.Spent > a.Limit }).
		To(alerts)
	return t
}

// Each step of docs/tutorial.md does what the page says.
func TestStepsOfTheTutorial(t *testing.T) {
	pay := func(d *testkit.Driver) {
		for _, cents := range []int64{6_000, -6_000, 6_000, 500} {
			d.Input(payments).Send("till-1", Payment{Card: "4711", Cents: cents}, noon)
		}
	}
	t.Run("topic", func(t *testing.T) {
		d := testkit.New(t, copied(), testkit.Config{})
		pay(d)
		d.Output(accepted).ExpectValues(cents(6_000), cents(-6_000), cents(6_000), cents(500))
	})
	t.Run("filter", func(t *testing.T) {
		d := testkit.New(t, filtered(), testkit.Config{})
		pay(d)
		d.Output(accepted).ExpectValues(cents(6_000), cents(6_000), cents(500))
	})
	t.Run("window", func(t *testing.T) {
		d := testkit.New(t, summed(), testkit.Config{})
		pay(d)
		var sums []int64
		for _, r := range d.Output(spending).Values() {
			sums = append(sums, r.Value)
		}
		if len(sums) != 3 || sums[0] != 6_000 || sums[1] != 12_000 || sums[2] != 12_500 {
			t.Errorf("sums %v", sums)
		}
	})
	t.Run("join", func(t *testing.T) {
		d := testkit.New(t, joined(), testkit.Config{})
		d.Input(cards).Send("4711", Card{Owner: "Ada", Limit: 10_000}, noon)
		pay(d)
		alert := func(spent int64) Alert { return Alert{Owner: "Ada", Hour: noon, Spent: spent, Limit: 10_000} }
		d.Output(alerts).ExpectValues(alert(12_000), alert(12_500))
	})
}

func cents(n int64) Payment { return Payment{Card: "4711", Cents: n} }
