package stream_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

func ExampleTopology_From() {
	t := stream.NewTopology()
	t.From(lines).To(words)

	run(t, words, "weir")
	// Output: k weir
}

func ExampleTopology_DOT() {
	t := stream.NewTopology()
	t.From(lines).To(words)
	fmt.Print(t.DOT())
	// Output:
	// digraph topology {
	//   rankdir=LR;
	//   t1 [shape=ellipse, label="lines"];
	//   t2 [shape=ellipse, label="words"];
	//   subgraph cluster_1 {
	//     label="lines";
	//     n1 [shape=box, label="source lines"];
	//     n2 [shape=box, label="sink words"];
	//   }
	//   t1 -> n1;
	//   n1 -> n2;
	//   n2 -> t2;
	// }
}

// The picture is a complete document, for a file or an HTTP handler.
func ExampleTopology_SVG() {
	t := stream.NewTopology()
	t.From(lines).To(words)
	picture := t.SVG()
	fmt.Println(strings.HasPrefix(picture, "<svg "), strings.Contains(picture, ">source lines<"))
	// Output: true true
}

// counting counts the words of lines, in a store of that name.
func counting(name string) *stream.Topology {
	t := stream.NewTopology()
	t.From(lines).
		MapState(store.NewCell[int](name), func(c *store.Cell[int], line string) int {
			n, _ := c.Get()
			n += len(strings.Fields(line))
			c.Set(n)
			return n
		}).
		To(numbers)
	return t
}

// A deployment keeps the inventory of the version that runs, as JSON.
func ExampleTopology_Inventory() {
	text, err := json.MarshalIndent(counting("words").Inventory(), "", "  ")
	fmt.Println(string(text), err)
	// Output:
	// {
	//   "streams": [
	//     {
	//       "id": "lines",
	//       "inputs": [
	//         "lines"
	//       ],
	//       "stores": [
	//         {
	//           "name": "words",
	//           "changelog": "changelog__GROUP--lines--words",
	//           "operator": "mapstate",
	//           "key": "string as codec.stringCodec",
	//           "state": "int as codec.intCodec"
	//         }
	//       ]
	//     }
	//   ]
	// } <nil>
}

func ExampleTopology_Fingerprint() {
	before := counting("words").Fingerprint()
	fmt.Println(len(before), "digits")
	fmt.Println("the same state:", before == counting("words").Fingerprint())
	fmt.Println("a store of another name:", before == counting("count").Fingerprint())
	// Output:
	// 32 digits
	// the same state: true
	// a store of another name: false
}

func ExampleInventory_Fingerprint() {
	kept := counting("words").Inventory() // of the version that runs, from JSON
	fmt.Println(kept.Fingerprint() == counting("words").Fingerprint())
	// Output: true
}

// An upgrade is stopped if it loses something.
func ExampleChange_Harmless() {
	for _, change := range stream.Diff(counting("words").Inventory(), counting("count").Inventory()) {
		fmt.Println(change.Kind, change.Harmless())
	}
	// Output:
	// state orphaned false
	// state new true
}

func ExampleStream_Collect() {
	var seen stream.Collector[string, string]
	t := stream.NewTopology()
	t.From(lines).Collect(&seen).Map(strings.ToUpper).To(words)

	run(t, words, "weir", "mill")
	fmt.Println(seen.Values())
	// Output:
	// k WEIR
	// k MILL
	// [weir mill]
}

func ExampleCollector_Records() {
	var seen stream.Collector[string, string]
	t := stream.NewTopology()
	t.From(lines).Collect(&seen)

	show(t, "weir")
	for _, r := range seen.Records() {
		fmt.Println(r.Key, r.Value, r.Millis, r.Origin.Topic)
	}
	// Output: k weir 0 lines
}

func ExampleCollector_Values() {
	var seen stream.Collector[string, string]
	t := stream.NewTopology()
	t.From(lines).Collect(&seen)

	show(t, "weir", "mill")
	fmt.Println(seen.Values())
	// Output: [weir mill]
}

func ExampleCollector_Len() {
	var seen stream.Collector[string, string]
	t := stream.NewTopology()
	t.From(lines).Collect(&seen)

	show(t, "weir", "mill")
	fmt.Println(seen.Len())
	// Output: 2
}

func ExampleStream_Sink() {
	var list sink.List[string, string]
	t := stream.NewTopology()
	t.From(lines).Sink("list", &list)

	show(t, "weir")
	for _, r := range list.Records() {
		fmt.Println(r.Key, r.Value)
	}
	// Output: k weir
}

func ExampleTopic_WithPartitions() {
	many := lines.WithPartitions(12) // if the application creates it
	t := stream.NewTopology()
	t.From(many).To(words)

	fmt.Println(many.Name(), t.Validate())
	// Output: lines <nil>
}

func ExampleTopic_WithConfig() {
	latest := words.WithConfig(map[string]string{"cleanup.policy": "compact"}) // if the application creates it
	t := stream.NewTopology()
	t.From(lines).To(latest)

	run(t, words, "weir")
	// Output: k weir
}
