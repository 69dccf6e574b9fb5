package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit/sim"
	"github.com/weirstreams/weir/window"
)

// topologies are what is simulated. To add one is to add a line here: the reference model is made of the topology itself.
var topologies = []topologyOf{
	{name: "stateless", build: stateless, inputs: []string{"orders"}},
	{name: "cell", build: cell, inputs: []string{"orders"}},
	{name: "windows", build: windows, inputs: []string{"orders"}},
	{name: "short windows", build: shortWindows, inputs: []string{"orders"}},
	{name: "merged", build: merged, inputs: []string{"orders", "returns"}},
	{name: "merged with state", build: mergedWithState, inputs: []string{"orders", "returns"}},
	{name: "two repartitions", build: twoRepartitions, inputs: []string{"orders"}},
	{name: "sinks", build: sinks, inputs: []string{"orders"}},
	{name: "as-of join", build: asOfJoin, inputs: []string{"orders", "returns"}},
	{name: "nearest join", build: nearestJoin, inputs: []string{"orders", "returns"}},
	{name: "interval join", build: intervalJoin, inputs: []string{"orders", "returns"}},
	{name: "self join", build: selfJoin, inputs: []string{"orders"}},
	{name: "tables", build: tables, inputs: []string{"orders", "returns"}},
	{name: "foreign-key join", build: foreignKeyJoin, inputs: []string{"orders", "returns"}},
	{name: "foreign-key join of one table", build: foreignKeySelfJoin, inputs: []string{"orders"}, check: checkForeignKeySelfJoin},
	{name: "global table", build: globalTable, inputs: []string{"orders", "shops"}},
	{name: "lookup join", build: lookupJoin, inputs: []string{"orders"}},
	{name: "as-of joins by the clock", build: waitingAsOfJoins, inputs: []string{"orders", "returns"}},
	{name: "buffered lookup joins", build: bufferedLookupJoins, inputs: []string{"orders"}},
	{name: "state without a changelog", build: unlogged, inputs: []string{"orders"}, check: checkUnlogged},
}

type topologyOf struct {
	name   string
	build  func(faulty func() error) *stream.Topology
	inputs []string
	// make makes the records of the input, if it is not nil; otherwise there are orders in all topics.
	make func(*rand.Rand) []sim.Input
	// reference is the topology without suppression, and suppressed are the topics where that shows.
	reference  func(faulty func() error) *stream.Topology
	suppressed []string
	// check looks at the topics in the end.
	check func(sim.Outcome) error
	// live says that windows close by the clock.
	live bool
	// loses says that input is lost.
	loses bool
	// truncates says that logs of the input are truncated as well.
	truncates bool
}

// order has a number of its own, so that no two records are equal.
type order struct {
	ID     int
	Shop   string
	Amount int
}

// line is an output. Origin and Offset are those of the record that it comes of.
type line struct {
	ID, Total int
	Origin    string
	Offset    int64
}

var (
	orders     = stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	returns    = stream.NewTopic("returns", codec.String(), codec.JSON[order]())
	out        = stream.NewTopic("out", codec.String(), codec.JSON[order]())
	lines      = stream.NewTopic("lines", codec.String(), codec.JSON[line]())
	closed     = stream.NewTopic("closed", codec.String(), codec.JSON[line]())
	current    = stream.NewTopic("current", codec.String(), codec.JSON[line]())
	total      = store.NewCell[int]("total")
	grandTotal = store.NewCell[int]("grand_total")
)

func stateless(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).
		Filter(func(o order) bool { return o.Amount%7 != 0 }).
		FlatMap(func(o order) []order {
			all := make([]order, o.Amount%3)
			for i := range all {
				all[i] = order{o.ID, o.Shop, i}
			}
			return all
		}).
		Map(func(o order) order { return check(faulty, order{o.ID, o.Shop, o.Amount + 1}) }).
		To(out)
	return t
}

// check panics if a function is to fail.
func check[T any](faulty func() error, v T) T {
	if err := faulty(); err != nil {
		panic(err)
	}
	return v
}

// running adds up amounts per key, and forgets the sum now and then.
func running(s stream.Stream[string, order], cell *store.CellHandle[int], faulty func() error) stream.Stream[string, line] {
	return s.MapStateRecord(cell, func(_ context.Context, c *store.Cell[int], r weir.Record[string, order]) (line, error) {
		n, _ := c.Get()
		n += r.Value.Amount
		if r.Value.Amount%10 == 0 {
			c.Delete()
		} else {
			c.Set(n)
		}
		return check(faulty, line{r.Value.ID, n, fmt.Sprint(r.Origin.Topic, r.Origin.Partition), r.Origin.Offset}), nil
	})
}

func cell(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	running(t.From(orders), total, faulty).To(lines)
	return t
}

func windowLine(_ context.Context, r weir.Record[string, window.Result[int]]) (line, error) {
	return line{int(r.Value.StartMillis), r.Value.Value, fmt.Sprint(r.Origin.Topic, r.Origin.Partition), r.Origin.Offset}, nil
}

func windows(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	shops := t.From(orders).GroupBy("shop", func(o order) string { return check(faulty, o.Shop) })
	running(shops, total, faulty).To(lines)
	sum := window.Sum(func(o order) int { return o.Amount })
	shops.Window(window.Tumbling(10 * time.Millisecond)).Aggregate(sum).Final().MapRecord(windowLine).To(closed)
	shops.Window(window.Tumbling(25 * time.Millisecond).Grace(5 * time.Millisecond)).Aggregate(sum).Current().MapRecord(windowLine).To(current)
	return t
}

// shortWindows has windows that open and close between two checkpoints, and leave no trace in the changelog then.
func shortWindows(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).
		Window(window.Tumbling(3 * time.Millisecond)).
		Aggregate(window.Sum(func(o order) int { return check(faulty, o.Amount) })).
		Final().MapRecord(windowLine).To(closed)
	return t
}

func merged(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).
		Merge(t.From(returns).Map(func(o order) order { return order{-o.ID, o.Shop, -o.Amount} })).
		Map(func(o order) order { return check(faulty, o) }).
		To(out)
	return t
}

func mergedWithState(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	running(t.From(orders).Merge(t.From(returns).Map(func(o order) order { return order{-o.ID, o.Shop, -o.Amount} })), total, faulty).To(lines)
	return t
}

func twoRepartitions(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	shops := t.From(orders).GroupBy("shop", func(o order) string { return o.Shop })
	parity := running(shops, total, faulty).
		Map(func(l line) order { return order{l.ID, []string{"even", "odd"}[l.Total&1], l.Total} }).
		GroupBy("parity", func(o order) string { return check(faulty, o.Shop) })
	running(parity, grandTotal, faulty).To(lines)
	parity.Window(window.Tumbling(10 * time.Millisecond)).
		Aggregate(window.Sum(func(o order) int { return o.Amount })).Final().MapRecord(windowLine).To(closed)
	return t
}

// sinks has one sink of what comes out of a cell, and one of windows behind a repartition.
func sinks(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := t.From(orders)
	running(in, total, faulty).Sink("lines", sim.NewSink[string, line](nil))
	in.GroupBy("shop", func(o order) string { return o.Shop }).
		Window(window.Tumbling(10*time.Millisecond)).Aggregate(window.Sum(func(o order) int { return o.Amount })).Final().
		Sink("windows", sim.NewSink[string, window.Result[int]](nil))
	return t
}

// inputs makes orders for some topics: time goes forward, and some come late.
func inputs(topics []string) func(*rand.Rand) []sim.Input {
	return func(r *rand.Rand) []sim.Input {
		var all []sim.Input
		keys := 1 + r.IntN(8)
		id := 0
		for _, topic := range topics {
			if topic == directory.Name() {
				all = append(all, shopRows(r, keys))
				continue
			}
			in := sim.Input{Topic: topic}
			var now int64
			for range 20 + r.IntN(100) {
				now += r.Int64N(5)
				id++
				value, err := json.Marshal(order{id, fmt.Sprint("shop ", r.IntN(keys)), r.IntN(100)})
				if err != nil {
					panic(err)
				}
				record := sim.Record{Key: fmt.Append(nil, "customer ", r.IntN(keys)), Value: value, Millis: max(0, now-r.Int64N(12))}
				if r.IntN(3) == 0 {
					record.Headers = []weir.Header{{Key: "id", Value: fmt.Append(nil, id)}}
				}
				in.Records = append(in.Records, record)
			}
			all = append(all, in)
		}
		return all
	}
}

// simulation returns the simulation of a topology by its place in the list.
func simulation(i int) *sim.Simulation {
	t := topologies[i]
	s := &sim.Simulation{Inputs: inputs(t.inputs), Faults: sim.AllFaults, Check: checkOf(t), Live: t.live, Loses: t.loses, Truncates: t.truncates}
	s.Topology = t.build(s.Faulty)
	if t.make != nil {
		s.Inputs = t.make
	}
	s.DeadLetters = t.name == "letters"
	if t.name == "skipping" || t.name == "letters" {
		s.Skip = func(err error) bool { return errors.Is(err, errPoison) }
	}
	if t.reference != nil {
		s.Reference, s.Suppressed = t.reference(s.Faulty), t.suppressed
	}
	return s
}
