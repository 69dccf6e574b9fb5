package source_test

import (
	"fmt"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// A sequence is written to a topic, and the topology reads the topic.
func Example() {
	measured := slices.Values([]weir.Record[string, float64]{{Key: "Graz", Value: 20}, {Key: "Linz", Value: 25}})
	readings := stream.NewTopic("readings", codec.String(), codec.Float64())
	warm := stream.NewTopic("warm", codec.String(), codec.Float64())
	t := stream.NewTopology()
	t.FromSource(source.FromSeq(measured), readings).Filter(func(celsius float64) bool { return celsius > 22 }).To(warm)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.ReadSourcesToEnd()
		fmt.Println(d.Output(warm).Values())
	})
	fmt.Println(err)
	// Output:
	// [25]
	// <nil>
}
