// Package compile holds what the compiler must not let through. A line with a mistake ends in the error that it must
// give, as a regular expression; the other lines are right.
package compile

import (
	"context"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

type (
	trade struct{ Price float64 }
	quote struct{ Bid float64 }
)

var (
	trades  = stream.NewTopic("trades", codec.String(), codec.JSON[trade]())
	quotes  = stream.NewTopic("quotes", codec.String(), codec.JSON[quote]())
	byInt   = stream.NewTopic("by-int", codec.Int(), codec.JSON[trade]())
	results = stream.NewTopic("results", codec.String(), codec.JSON[window.Result[float64]]())
	numbers = store.NewCell[int]("numbers")
)

func price(t trade) float64 { return t.Price }
func bid(q quote) float64   { return q.Bid }

func topics(s stream.Stream[string, trade]) {
	s.To(trades)
	s.To(quotes) // ERROR cannot use quotes .* as stream\.Topic\[string, trade\]
	s.To(byInt)  // ERROR cannot use byInt .* as stream\.Topic\[string, trade\]
	s.GroupBy("g", func(t trade) int { return int(t.Price) }).To(byInt)
	s.GroupBy("g", func(t trade) int { return int(t.Price) }).To(trades) // ERROR cannot use trades
	_ = stream.NewTopic[string, trade]("t", codec.String(), codec.Int()) // ERROR cannot use codec\.Int\(\)
}

func functions(s stream.Stream[string, trade]) {
	s.Map(price).Filter(func(p float64) bool { return p > 0 })
	s.Map(bid)                                                           // ERROR type func\(q quote\) float64 of bid does not match
	s.Filter(func(q quote) bool { return true })                         // ERROR as func\(trade\) bool value
	s.Map(price).Filter(func(t trade) bool { return true })              // ERROR as func\(float64\) bool value
	s.TryMap(func(t trade) (int, error) { return 0, nil })               // ERROR does not match
	s.FlatMap(price)                                                     // ERROR does not match
	s.TryPeek(func(_ context.Context, t trade) {})                       // ERROR cannot use
	s.FilterRecord(func(stream.Record[int, trade]) bool { return true }) // ERROR cannot use
}

func merges(s stream.Stream[string, trade], q stream.Stream[string, quote], i stream.Stream[int, trade]) {
	s.Merge(s)
	s.Merge(q) // ERROR cannot use q
	s.Merge(i) // ERROR cannot use i
}

func states(s stream.Stream[string, trade]) {
	s.MapState(numbers, func(c *store.Cell[int], t trade) int { n, _ := c.Get(); return n })
	s.MapState(numbers, func(c *store.Cell[string], t trade) int { return 0 })          // ERROR does not match
	s.MapState(numbers, func(c *store.Cell[int], q quote) int { return 0 })             // ERROR does not match
	s.MapState(numbers, func(c *store.Cell[int], t trade) int { c.Set("x"); return 0 }) // ERROR cannot use "x"
	store.NewCell("c", store.WithCodec[int](codec.String()))                            // ERROR cannot use codec\.String\(\)
}

func windows(s stream.Stream[string, trade]) {
	w := s.Window(window.Tumbling(time.Second))
	w.Aggregate(window.Sum(price)).Final().To(results)
	w.Aggregate(window.Sum(bid))                           // ERROR does not match
	w.Aggregate(window.Count[quote]())                     // ERROR does not match
	w.Aggregate(window.Count[trade]()).Final().To(results) // ERROR cannot use results
	w.Aggregate(window.Sum(price)).To(results)             // ERROR w\.Aggregate\(window\.Sum\(price\)\)\.To undefined
	w.Map(price)                                           // ERROR w\.Map undefined
	window.Sum(func(t trade) string { return "" })         // ERROR string does not satisfy window\.Number
	s.Window(time.Second)                                  // ERROR cannot use time\.Second
}
