package testkit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/source"
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

// A topic of a source alone belongs to the source, though the topology does not read it.
func TestTopicsOfSourcesAreNotWrittenByNames(t *testing.T) {
	in := stream.NewTopic("in", codec.String(), codec.String())
	measured := stream.NewTopic("measured", codec.String(), codec.String())
	topology := stream.NewTopology()
	topology.AddSource(source.FromSeq(slices.Values([]weir.Record[string, string]{{Key: "k", Value: "1"}})), measured)
	topology.From(in).ToDynamic(in, func(_ context.Context, r weir.Record[string, string]) (string, error) { return r.Value, nil })
	var failed []string
	d := testkit.New(t, topology, testkit.Config{Errors: weir.ErrorPolicy{Decide: func(f *weir.FailedRecord) weir.ErrorAction {
		failed = append(failed, f.Err.Error())
		return weir.Skip
	}}})
	d.Input(in).Send("k", "measured", time.Unix(1, 0))
	d.Input(in).Send("k", "elsewhere", time.Unix(1, 0))
	if len(failed) != 1 || !strings.Contains(failed[0], "produce to measured: a source of the application writes the topic") {
		t.Errorf("errors %q", failed)
	}
	d.Output(stream.NewTopic("elsewhere", codec.String(), codec.String())).ExpectValues("elsewhere")
}
