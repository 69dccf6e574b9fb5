package stream_test

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func ExampleStream_FlatMapSeq() {
	t := stream.NewTopology()
	t.From(lines).FlatMapSeq(func(line string) iter.Seq[string] { return strings.SplitSeq(line, ",") }).To(words)

	run(t, words, "mill,weir")
	// Output:
	// k mill
	// k weir
}

func ExampleStream_MapKey() {
	t := stream.NewTopology()
	t.From(lines).MapKey(strings.ToUpper).To(words)

	run(t, words, "weir")
	// Output: WEIR weir
}

func ExampleStream_Update() {
	type Trip struct{ From, To string }
	trips := stream.NewTopic("trips", codec.String(), codec.JSON[*Trip]())
	out := stream.NewTopic("upper", codec.String(), codec.JSON[*Trip]())
	t := stream.NewTopology()
	t.From(trips).Update(func(trip *Trip) { trip.To = strings.ToUpper(trip.To) }).To(out)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(trips).Send("k", &Trip{"mill", "weir"}, time.Unix(0, 0))
		fmt.Println(*d.Output(out).Values()[0])
	})
	fmt.Println(err)
	// Output:
	// {mill WEIR}
	// <nil>
}

func ExampleStream_SetTimestamp() {
	t := stream.NewTopology()
	t.From(lines).
		SetTimestamp(func(line string) time.Time {
			seconds, _ := strconv.ParseInt(line, 10, 64)
			return time.Unix(seconds, 0)
		}).
		MapRecord(func(_ context.Context, r weir.Record[string, string]) (string, error) {
			return r.Time().UTC().Format(time.TimeOnly), nil
		}).
		To(words)

	run(t, words, "90")
	// Output: k 00:01:30
}

func ExampleStream_AddHeader() {
	t := stream.NewTopology()
	t.From(lines).
		AddHeader("length", func(line string) []byte { return strconv.AppendInt(nil, int64(len(line)), 10) }).
		MapRecord(func(_ context.Context, r weir.Record[string, string]) (string, error) {
			return fmt.Sprintf("%s=%s", r.Headers[0].Key, r.Headers[0].Value), nil
		}).
		To(words)

	run(t, words, "weir")
	// Output: k length=4
}

func ExampleStream_Branch() {
	t := stream.NewTopology()
	kinds := t.From(lines).Branch()
	kinds.When("short", func(line string) bool { return len(line) < 5 }).To(words)
	kinds.Match("number", func(line string) (int, bool) {
		n, err := strconv.Atoi(line)
		return n, err == nil
	}).To(numbers)
	kinds.Otherwise("rest").Map(strings.ToUpper).To(words)

	run(t, words, "weir", "123456", "sluice")
	// Output:
	// k weir
	// k SLUICE
}

func ExampleStream_FanOut() {
	t := stream.NewTopology()
	kinds := t.From(lines).FanOut()
	kinds.When("all", func(string) bool { return true }).To(words)
	kinds.When("short", func(line string) bool { return len(line) < 5 }).Map(strings.ToUpper).To(words)

	run(t, words, "weir", "sluice")
	// Output:
	// k weir
	// k WEIR
	// k sluice
}

func ExampleStream_ToWith() {
	t := stream.NewTopology()
	t.From(lines).ToWith(words, weir.Write[string, string]{
		Key:       func(r weir.Record[string, string]) string { return r.Value[:1] },
		Partition: func(_ weir.Record[string, string], partitions int32) int32 { return partitions - 1 },
	})

	run(t, words, "weir")
	// Output: w weir
}

func ExampleStream_AssumePartitioned() {
	count := store.NewCell[int]("count")
	t := stream.NewTopology()
	t.From(lines).
		Transform(func(_ context.Context, r lineRecord) (lineRecord, error) { // the key stays as it is
			r.Value = strings.ToUpper(r.Value)
			return r, nil
		}).
		AssumePartitioned().
		MapState(count, func(c *store.Cell[int], line string) string {
			n, _ := c.Get()
			c.Set(n + 1)
			return fmt.Sprint(n+1, " ", line)
		}).
		To(words)

	run(t, words, "weir", "sluice")
	// Output:
	// k 1 WEIR
	// k 2 SLUICE
}

func ExampleStream_GroupByKey() {
	t := stream.NewTopology()
	t.From(lines).MapKey(strings.ToLower).GroupByKey("by-line").To(words)

	run(t, words, "Weir")
	// Output: weir Weir
}
