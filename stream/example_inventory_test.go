package stream_test

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

func ExampleDiff() {
	declare := func(operation string) *stream.Topology {
		t := stream.NewTopology()
		t.From(lines).
			GroupBy(operation, func(line string) string { return line }).
			Window(window.Tumbling(time.Minute).Name("count")).
			Aggregate(window.Count[string]()).
			Final().
			Peek(func(window.Result[int64]) {})
		return t
	}
	before, after := declare("line"), declare("text")
	for _, change := range stream.Diff(before.Inventory(), after.Inventory()) {
		if !change.Harmless() {
			fmt.Println(change.Kind, change.Topic)
		}
	}
	// Output:
	// state orphaned changelog__GROUP--repartition.lines.line--count_tumbling_window_60000
	// topic orphaned repartition__GROUP--lines--line
}

func ExampleTopology_Mermaid() {
	t := stream.NewTopology()
	t.From(lines).Filter(func(line string) bool { return line != "" }).To(words)
	fmt.Print(t.Mermaid())
	// Output:
	// flowchart LR
	//   t1(["lines"])
	//   t2(["words"])
	//   subgraph p1 ["lines"]
	//     n1["source lines"]
	//     n2["filter-1"]
	//     n3["sink words"]
	//   end
	//   t1 --> n1
	//   n1 --> n2
	//   n2 --> n3
	//   n3 --> t2
}
