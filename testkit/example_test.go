package testkit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func ExampleNew() {
	celsius := stream.NewTopic("celsius", codec.String(), codec.Float64())
	fahrenheit := stream.NewTopic("fahrenheit", codec.String(), codec.Float64())
	topology := stream.NewTopology()
	topology.From(celsius).Map(func(c float64) float64 { return c*9/5 + 32 }).To(fahrenheit)

	// In a file that ends in _test.go:
	_ = func(t *testing.T) {
		d := testkit.New(t, topology, testkit.Config{})
		d.Input(celsius).Send("oven", 100, time.UnixMilli(0))
		d.Output(fahrenheit).ExpectValues(212)
	}
}

func ExampleRun() {
	words := stream.NewTopic("words", codec.String(), codec.String())
	lengths := stream.NewTopic("lengths", codec.String(), codec.Int())
	topology := stream.NewTopology()
	topology.From(words).Map(func(w string) int { return len(w) }).To(lengths)

	err := testkit.Run(topology, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(words).Send("en", "weir", time.UnixMilli(0))
		d.Input(words).Send("nl", "stuw", time.UnixMilli(1))
		fmt.Println(d.Output(lengths).Values())
	})
	fmt.Println(err)
	// Output:
	// [4 4]
	// <nil>
}
