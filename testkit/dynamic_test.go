package testkit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func TestTopicsThatAFunctionNamesCanBeRead(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		in := stream.NewTopic("in", codec.String(), codec.String())
		text := stream.NewTopic("text", codec.String(), codec.String())
		topology := stream.NewTopology()
		topology.From(in).ToDynamic(text, func(_ context.Context, r weir.Record[string, string]) (string, error) { return "out-" + r.Value, nil })
		d := testkit.New(t, topology, testkit.Config{ExactlyOnce: exactlyOnce, Partitions: 3})
		input := d.Input(in)
		a, b := d.Output(stream.NewTopic("out-a", codec.String(), codec.String())), d.Output(stream.NewTopic("out-b", codec.String(), codec.String()))
		a.ExpectValues()
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		input.Send("k", "a", at)
		input.Send("k", "b", at)
		input.Send("k", "a", at)
		a.ExpectValues("a", "a")
		d.Restart()
		input.Send("k", "b", at)
		a.ExpectValues()
		b.ExpectValues("b", "b")
	}
}

func TestSimulateRunsTopicsThatAFunctionNames(t *testing.T) {
	in := stream.NewTopic("in", codec.String(), codec.String())
	topology := stream.NewTopology()
	topology.From(in).ToDynamic(in, func(_ context.Context, r weir.Record[string, string]) (string, error) { return "out-" + r.Value, nil })
	words := testkit.Generate(in, 60, func(r *rand.Rand, i int) testkit.Record[string, string] {
		return testkit.Record[string, string]{Key: fmt.Sprint(i % 9), Value: fmt.Sprint(r.IntN(4))}
	})
	testkit.Simulate(t, topology, []testkit.SimulatedInput{words}, testkit.Faults{Runs: 50})
}
