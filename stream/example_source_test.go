package stream_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// gauges is a source of two records. Real ones read files, databases or services.
func gauges() source.Source[string, string] {
	return source.FromSeq(slices.Values([]weir.Record[string, string]{
		{Key: "weir", Value: "low", Millis: 1000}, {Key: "mill", Value: "high", Millis: 2000},
	}))
}

// readAll reads the sources of a topology to their ends.
func readAll(t *stream.Topology) {
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) { fmt.Println(d.ReadSourcesToEnd(), "records of sources") })
	if err != nil {
		fmt.Println(err)
	}
}

func ExampleTopology_FromSource() {
	t := stream.NewTopology()
	t.FromSource(gauges(), levels).Peek(func(level string) { fmt.Println(strings.ToUpper(level)) })

	readAll(t)
	// Output:
	// LOW
	// HIGH
	// 2 records of sources
}

func ExampleTopology_FromSourceWith() {
	t := stream.NewTopology()
	t.FromSourceWith(source.Options{Name: "river-gauges", LookInterval: time.Minute}, gauges(), levels).
		Peek(func(level string) { fmt.Println(level) })

	readAll(t)
	// Output:
	// low
	// high
	// 2 records of sources
}

func ExampleTopology_AddSource() {
	t := stream.NewTopology()
	t.AddSource(gauges(), levels) // for the topics of others

	readAll(t)
	// Output: 2 records of sources
}

func ExampleTopology_AddSourceWith() {
	t := stream.NewTopology()
	t.AddSourceWith(source.Options{Retry: weir.Retry{Attempts: -1, MaxWait: time.Minute}}, gauges(), levels)

	readAll(t)
	// Output: 2 records of sources
}

func ExampleSourceTopic() {
	topic := stream.SourceTopic[string, string]("gauges")
	t := stream.NewTopology()
	t.FromSource(gauges(), topic)

	fmt.Println(topic.Name())
	// Output: source__gauges
}

func ExampleStream_WithoutChangelog() {
	t := stream.NewTopology()
	t.From(lines).
		Reduce(store.NewCell[string]("last"), func(_, next string) string { return next }).WithoutChangelog().
		To(words)

	run(t, words, "weir", "mill")
	// Output:
	// k weir
	// k mill
}

func ExampleTable_WithoutChangelog() {
	t := stream.NewTopology()
	t.Table(levels).WithoutChangelog().To(words)

	meet(t, "0 level low")
	// Output: 0 low
}
