// Package compile holds what the compiler must not let through. A line with a mistake ends in the error that it must
// give, as a regular expression; the other lines are right.
package compile

import (
	"context"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
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
	s.Map(bid)                                                                                        // ERROR type func\(q quote\) float64 of bid does not match
	s.Filter(func(q quote) bool { return true })                                                      // ERROR as func\(trade\) bool value
	s.Map(price).Filter(func(t trade) bool { return true })                                           // ERROR as func\(float64\) bool value
	s.MapWith(func(t trade) (int, error) { return 0, nil })                                           // ERROR does not match
	s.FlatMap(price)                                                                                  // ERROR does not match
	s.PeekRecord(func(_ context.Context, t trade) error { return nil })                               // ERROR cannot use
	s.FilterRecord(func(context.Context, weir.Record[int, trade]) (bool, error) { return true, nil }) // ERROR cannot use
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
	store.NewCell[int]("c").WithCodec(codec.String())                                   // ERROR cannot use codec\.String\(\)
}

func rekeying(s stream.Stream[string, trade]) {
	s.MapKey(price).To(trades)                                                                                                 // ERROR cannot use trades
	s.Transform(func(context.Context, weir.Record[string, trade]) (weir.Record[int, trade], error) { panic("") }).To(byInt)    // right
	s.Transform(func(context.Context, weir.Record[string, trade]) (weir.Record[string, quote], error) { panic("") }).To(byInt) // ERROR cannot use byInt
	s.GroupByKeyWith(stream.Repartition[int, trade]{Name: "g"})                                                                // ERROR cannot use stream\.Repartition\[int, trade\]
	s.GroupByWith(stream.Repartition[int, trade]{Name: "g"}, price)                                                            // ERROR does not match
	s.WithKeyCodec(codec.Int())                                                                                                // ERROR cannot use codec\.Int\(\)
	s.SetTimestamp(price)                                                                                                      // ERROR cannot use price
	s.SetHeaders(func(context.Context, trade) ([]weir.Header, error) { return nil, nil })                                      // ERROR cannot use \(func
	s.AddHeader("h", func(t trade) string { return "" })                                                                       // ERROR cannot use \(func
	s.Update(func(t *trade) {})                                                                                                // ERROR cannot use \(func
	s.UpdateRecord(func(context.Context, trade) error { return nil })                                                          // ERROR cannot use \(func
	s.FlatMapSeq(func(t trade) []trade { return nil })                                                                         // ERROR does not match
}

func branches(s stream.Stream[string, trade], q stream.Stream[string, quote]) {
	b := s.Branch()
	b.When("dear", func(t trade) bool { return t.Price > 0 }).To(trades)
	b.When("quote", func(q quote) bool { return true })                                                                    // ERROR cannot use \(func
	b.Match("quote", func(t trade) (quote, bool) { return quote{}, true }).To(trades)                                      // ERROR cannot use trades
	b.Map(price)                                                                                                           // ERROR b\.Map undefined
	b.Match("one", func(t trade) quote { return quote{} })                                                                 // ERROR does not match
	s.ToOneOf(func(context.Context, weir.Record[string, trade]) (stream.Topic[string, trade], error) { panic("") }, byInt) // ERROR cannot use byInt
	s.ToWith(trades, weir.Write[string, quote]{})                                                                        // ERROR cannot use weir\.Write\[string, quote\]
	s.Collect(&stream.Collector[string, quote]{})                                                                          // ERROR cannot use
	s.Sink("s", nil).Map(price)                                                                                            // ERROR no value
	s.PrintTable(stream.PrintOptions{})                                                                                    // ERROR cannot use stream\.PrintOptions
}

func moreStates(s stream.Stream[string, trade]) {
	s.Reduce(store.NewCell[trade]("c"), func(soFar, next trade) trade { return next })
	s.Reduce(numbers, func(soFar, next trade) trade { return next })                                                            // ERROR cannot use numbers
	s.Reduce(store.NewCell[trade]("c"), func(soFar, next trade) int { return 0 })                                               // ERROR does not satisfy
	s.Aggregate("a", window.Sum(bid))                                                                                           // ERROR does not match
	s.FilterState(numbers, func(c *store.Map[int, int], t trade) bool { return true })                                          // ERROR does not match
	s.FlatMapState(numbers, func(c *store.Cell[int], t trade) trade { return t })                                               // ERROR does not match
	s.ProcessState(numbers, func(_ context.Context, c *store.Cell[int], t trade, emit func(weir.Record[string, trade])) error { // ERROR does not match
		return nil
	})
	s.Deduplicate("d", time.Hour, bid)                                                                         // ERROR does not match
	s.Process(store.None(), func(struct{}) weir.Processor[string, quote, string, quote] { panic("") })         // ERROR does not match
	s.Process(store.NewTimers("t"), func(struct{}) weir.Processor[string, trade, string, trade] { panic("") }) // ERROR does not match
}

func joins(s stream.Stream[string, trade], q stream.Stream[string, quote], i stream.Stream[int, trade], t *stream.Topology) {
	asOf, interval := join.AsOf{}.Grace(time.Hour), join.Within(time.Second, 0)
	s.JoinAsOf(q, asOf, func(t trade, q quote) float64 { return t.Price - q.Bid })
	s.JoinAsOf(i, asOf, func(t, u trade) float64 { return 0 })                                              // ERROR cannot use i|does not match
	s.JoinAsOf(q, interval, func(t trade, q quote) float64 { return 0 })                                    // ERROR cannot use interval
	s.JoinAsOf(q, asOf, func(q quote, t trade) float64 { return 0 })                                        // ERROR does not match
	s.LeftJoinAsOf(q, asOf, func(t trade, q quote) float64 { return 0 })                                    // ERROR does not match
	s.JoinAsOfRecord(q, asOf, func(_ context.Context, t trade, q quote) (float64, error) { return 0, nil }) // ERROR does not match
	s.JoinInterval(i, interval, func(t, u trade) float64 { return 0 })                                      // ERROR cannot use i|does not match
	s.JoinInterval(q, asOf, func(t trade, q quote) float64 { return 0 })                                    // ERROR cannot use asOf
	s.RightJoinInterval(q, interval, func(t trade, q *quote) float64 { return 0 })                          // ERROR does not match
	s.OuterJoinInterval(q, interval, func(t trade, q *quote) float64 { return 0 })                          // ERROR does not match
	s.JoinTable(t.Table(quotes), func(t trade, q quote) float64 { return 0 })                               // right
	s.JoinTable(t.Table(byInt), func(t, u trade) float64 { return 0 })                                      // ERROR cannot use|does not match
	s.JoinTable(q, func(t trade, q quote) float64 { return 0 })                                             // ERROR cannot use q|does not match
	s.LeftJoinTable(t.Table(quotes), func(t trade, q quote) float64 { return 0 })                           // ERROR does not match
	t.Table(trades).Join(t.Table(byInt), func(t, u trade) float64 { return 0 })                             // ERROR cannot use|does not match
	t.Table(trades).OuterJoin(t.Table(quotes), func(t trade, q *quote) float64 { return 0 })                // ERROR does not match
	t.Table(trades).To(quotes)                                                                              // ERROR cannot use quotes
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

// The errors name the types that are at odds by their short names. Package and type parameters appear once for each type.
func readable(s stream.Stream[string, trade]) {
	two := func(n int64, sum float64) float64 { return sum }
	window.Combine2(window.Count[trade](), window.Sum(price), two)
	window.Combine2(window.Count[trade](), window.Sum(price), func(a, b int) int { return a })                            // ERROR ^in call to window\.Combine2, type func\(a int, b int\) int of \(func\(a, b int\) int literal\) does not match inferred type func\(int64, float64\) R for func\(R1, R2\) R$
	window.Combine2(window.Count[trade](), window.Sum(bid), two)                                                          // ERROR ^in call to window\.Combine2, type window\.Aggregator\[quote, window\.SumState\[float64\], float64\] of window\.Sum\(bid\) does not match inferred type window\.Aggregator\[trade, window\.SumState\[float64\], R2\] for window\.Aggregator\[V, A2, R2\]$
	window.Combine2(window.Count[trade], window.Sum(price), two)                                                          // ERROR ^in call to window\.Combine2, type func\(\) window\.Aggregator\[trade, int64, int64\] of window\.Count\[trade\] does not match window\.Aggregator\[V, A1, R1\] \(cannot infer V, A1, R1, A2, R2, and R\)$
	s.MapState(numbers, func(c store.Cell[int], t trade) int { return 0 })                                                // ERROR ^in call to s\.MapState, type func\(c store\.Cell\[int\], t trade\) int of \(func\(c store\.Cell\[int\], t trade\) int literal\) does not match inferred type func\(\*store\.Cell\[int\], trade\) W for func\(T, trade\) W$
	s.MapState(*numbers, func(c *store.Cell[int], t trade) int { return 0 })                                              // ERROR ^in call to s\.MapState, type store\.CellHandle\[int\] of \*numbers does not match store\.Handle\[T\] \(cannot infer T and W\)$
	s.MapState("numbers", func(c *store.Cell[int], t trade) int { return 0 })                                             // ERROR ^cannot use "numbers" \(constant of type string\) as store\.Handle\[\*store\.Cell\[int\]\] value in argument to s\.MapState: string does not implement store\.Handle\[\*store\.Cell\[int\]\] \(missing method open\)$
	s.MapStateRecord(numbers, func(_ context.Context, c *store.Cell[int], r weir.Record[string, trade]) int { return 0 }) // ERROR does not match inferred type func\(context\.Context, \*store\.Cell\[int\], weir\.Record\[string, trade\]\) \(W, error\) for func\(context\.Context, T, weir\.Record\[string, trade\]\) \(W, error\)$
}
