package stream_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// The topics of the examples.
var (
	lines   = stream.NewTopic("lines", codec.String(), codec.String())
	words   = stream.NewTopic("words", codec.String(), codec.String())
	numbers = stream.NewTopic("numbers", codec.String(), codec.Int())
)

// topic declares a topic of text.
func topic(name string) stream.Topic[string, string] {
	return stream.NewTopic(name, codec.String(), codec.String())
}

// run feeds lines to a topology, all with the key "k" and one second apart, and prints what it writes to a topic.
func run[V any](t *stream.Topology, out stream.Topic[string, V], in ...string) {
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		for i, line := range in {
			d.Input(lines).Send("k", line, time.Unix(int64(i), 0))
		}
		for _, r := range d.Output(out).Read() {
			fmt.Println(r.Key, r.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
}

func ExampleNewTopology() {
	t := stream.NewTopology()
	t.From(lines).
		FlatMap(strings.Fields).
		Filter(func(word string) bool { return word != "the" }).
		To(words)

	run(t, words, "the mill", "the weir")
	// Output:
	// k mill
	// k weir
}

func ExampleNewTopic() {
	type Trade struct {
		Symbol string
		Price  float64
	}
	trades := stream.NewTopic("trades", codec.String(), codec.JSON[Trade]()).
		WithPartitions(12).
		WithConfig(map[string]string{"retention.ms": "86400000"})

	fmt.Println(trades.Name())
	// Output: trades
}

func ExampleStream_Map() {
	t := stream.NewTopology()
	t.From(lines).Map(func(line string) int { return len(line) }).To(numbers)

	run(t, numbers, "weir", "sluice")
	// Output:
	// k 4
	// k 6
}

func ExampleStream_MapRecord() {
	t := stream.NewTopology()
	t.From(lines).
		MapRecord(func(_ context.Context, r weir.Record[string, string]) (int, error) {
			if r.ValueNull {
				return 0, nil
			}
			return strconv.Atoi(r.Value)
		}).
		To(numbers)

	run(t, numbers, "42")
	// Output: k 42
}

func ExampleStream_Filter() {
	t := stream.NewTopology()
	t.From(lines).Filter(func(line string) bool { return len(line) > 4 }).To(words)

	run(t, words, "weir", "sluice")
	// Output: k sluice
}

func ExampleStream_FilterRecord() {
	t := stream.NewTopology()
	t.From(lines).
		FilterRecord(func(_ context.Context, r weir.Record[string, string]) (bool, error) {
			return strconv.ParseBool(r.Value)
		}).
		To(words)

	run(t, words, "true", "false")
	// Output: k true
}

func ExampleStream_FlatMap() {
	t := stream.NewTopology()
	t.From(lines).FlatMap(strings.Fields).To(words)

	run(t, words, "the mill", "", "the weir")
	// Output:
	// k the
	// k mill
	// k the
	// k weir
}

func ExampleStream_FlatMapRecord() {
	t := stream.NewTopology()
	t.From(lines).
		FlatMapRecord(func(ctx context.Context, r weir.Record[string, string]) ([]string, error) {
			return strings.Fields(r.Value), ctx.Err()
		}).
		To(words)

	run(t, words, "the weir")
	// Output:
	// k the
	// k weir
}

func ExampleStream_Peek() {
	t := stream.NewTopology()
	t.From(lines).Peek(func(line string) { fmt.Println("saw", line) }).To(words)

	run(t, words, "weir")
	// Output:
	// saw weir
	// k weir
}

func ExampleStream_PeekRecord() {
	t := stream.NewTopology()
	t.From(lines).
		PeekRecord(func(_ context.Context, r weir.Record[string, string]) error {
			if r.KeyNull {
				return fmt.Errorf("no key")
			}
			return nil
		}).
		To(words)

	run(t, words, "weir")
	// Output: k weir
}

func ExampleStream_GroupBy() {
	t := stream.NewTopology()
	t.From(lines).GroupBy("initial", func(line string) string { return line[:1] }).To(words)

	run(t, words, "weir", "sluice", "water")
	// Output:
	// w weir
	// s sluice
	// w water
}

func ExampleStream_GroupByWith() {
	byInitial := stream.Repartition[string, string]{Name: "initial", Key: codec.JSON[string](), Partitions: 4}

	t := stream.NewTopology()
	t.From(lines).GroupByWith(byInitial, func(line string) string { return line[:1] }).To(words)

	run(t, words, "weir")
	// Output: w weir
}

// A cell remembers one state per message key.
func ExampleStream_MapState() {
	longest := store.NewCell[int]("longest")

	t := stream.NewTopology()
	t.From(lines).
		MapState(longest, func(c *store.Cell[int], line string) int {
			n, _ := c.Get()
			n = max(n, len(line))
			c.Set(n)
			return n
		}).
		To(numbers)

	run(t, numbers, "weir", "sluice", "dam")
	// Output:
	// k 4
	// k 6
	// k 6
}

// A null value is taken for a deletion here.
func ExampleStream_MapStateRecord() {
	latest := store.NewCell[string]("latest")

	t := stream.NewTopology()
	t.From(lines).
		MapStateRecord(latest, func(ctx context.Context, c *store.Cell[string], r weir.Record[string, string]) (string, error) {
			before, _ := c.Get()
			if r.ValueNull {
				c.Delete()
			} else {
				c.Set(r.Value)
			}
			return fmt.Sprintf("%q before", before), ctx.Err()
		}).
		To(words)

	run(t, words, "weir", "sluice")
	// Output:
	// k "" before
	// k "weir" before
}

func ExampleStream_Merge() {
	t := stream.NewTopology()
	in := t.From(lines)
	short := in.Filter(func(line string) bool { return len(line) < 5 })
	long := in.Filter(func(line string) bool { return len(line) >= 5 }).Map(func(line string) string { return line[:4] + "." })
	short.Merge(long).To(words)

	run(t, words, "weir", "sluice")
	// Output:
	// k weir
	// k slui.
}

func ExampleStream_To() {
	t := stream.NewTopology()
	in := t.From(lines)
	in.Filter(func(line string) bool { return line != "" }).To(words) // one stream, used
	in.Map(func(line string) int { return len(line) }).To(numbers)    // twice: a branch

	run(t, numbers, "weir", "")
	// Output:
	// k 4
	// k 0
}

func ExampleStream_Window() {
	t := stream.NewTopology()
	t.From(lines).
		Window(window.Tumbling(2 * time.Second).Grace(500 * time.Millisecond)).
		Aggregate(window.Count[string]()).
		Final().
		Map(func(r window.Result[int64]) string {
			return fmt.Sprintf("%d-%d ms: %d", r.StartMillis, r.EndMillis, r.Value)
		}).
		To(words)

	run(t, words, "a", "b", "c", "d", "e", "f")
	// Output:
	// k 0-2000 ms: 2
	// k 2000-4000 ms: 2
}

// Current emits with every record, Final when a window closes.
func ExampleAggregated_Current() {
	t := stream.NewTopology()
	t.From(lines).
		Window(window.Tumbling(2 * time.Second)).
		Aggregate(window.Count[string]()).
		Current().
		Map(func(r window.Result[int64]) int { return int(r.Value) }).
		To(numbers)

	run(t, numbers, "a", "b", "c")
	// Output:
	// k 1
	// k 2
	// k 1
}

func ExampleTopology_Describe() {
	t := stream.NewTopology()
	t.From(lines).
		GroupBy("initial", func(line string) string { return line[:1] }).
		MapState(store.NewCell[int]("count"), count).
		To(numbers)

	for line := range strings.SplitSeq(t.Describe(), "\n") {
		node, _, _ := strings.Cut(line, "  (") // without the lines that declared them
		fmt.Println(node)
	}
	// Output:
	// sub-topology lines
	//   source lines
	//     groupby initial
	//       repartition initial [topic repartition__GROUP--lines--initial]
	//
	// sub-topology repartition.lines.initial
	//   source initial [topic repartition__GROUP--lines--initial]
	//     mapstate count
	//         store count [changelog changelog__GROUP--repartition.lines.initial--count]
	//       sink numbers
}

func count(c *store.Cell[int], _ string) int {
	n, _ := c.Get()
	c.Set(n + 1)
	return n + 1
}

func ExampleTopology_Validate() {
	t := stream.NewTopology()
	in := t.From(lines)
	in.MapState(store.NewCell[int]("count"), count).To(numbers)
	in.Filter(func(line string) bool { return line != "" }).MapState(store.NewCell[int]("count"), count).To(numbers)

	if err, ok := t.Validate().(*stream.ValidationError); ok {
		for _, f := range err.Findings {
			problem, _, _ := strings.Cut(f.Problem, " declared at") // without the line
			fmt.Printf("%s: %s\n", f.Node, problem)
		}
	}
	// Output:
	// mapstate count: the store "count" belongs to the operator
}
