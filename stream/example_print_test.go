package stream_test

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func ExampleStream_Print() {
	t := stream.NewTopology()
	t.From(lines).Print(stream.PrintOptions{OneLine: true, Metadata: true}).To(words)

	run(t, words, "hello")
	// Output:
	// {"value":"hello","key":"k","timestamp":0,"headers":[]}
	// k hello
}

func ExampleStream_PrintTable() {
	t := stream.NewTopology()
	t.From(lines).
		Map(func(line string) row.Row { return row.New(row.F("line", line), row.F("length", len(line))) }).
		PrintTable(stream.TableOptions{Title: "Lines", Size: 2, Plain: true})

	show(t, "the mill", "the weir")
	// Output:
	// ┌────────────────────────────────────────────────────┐
	// │ Lines                                              │
	// ├──────┬─────────────────────────┬──────────┬────────┤
	// │ _key │ _timestamp              │ line     │ length │
	// ├──────┼─────────────────────────┼──────────┼────────┤
	// │ k    │ 1970-01-01 00:00:00.000 │ the mill │ 8      │
	// │ k    │ 1970-01-01 00:00:01.000 │ the weir │ 8      │
	// └──────┴─────────────────────────┴──────────┴────────┘
}

// show feeds lines to a topology that writes no topic.
func show(t *stream.Topology, in ...string) {
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		for i, line := range in {
			d.Input(lines).Send("k", line, time.Unix(int64(i), 0))
		}
	})
	if err != nil {
		fmt.Println(err)
	}
}
