package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func sides() (left, right stream.Topic[string, string], out stream.Topic[string, string], t *stream.Topology) {
	left, right = stream.NewTopic("left", codec.String(), codec.String()), stream.NewTopic("right", codec.String(), codec.String())
	out = stream.NewTopic("out", codec.String(), codec.String())
	t = stream.NewTopology()
	t.From(left).LeftJoinAsOf(t.From(right), join.AsOf{}.Grace(time.Hour), func(l string, r *string) string {
		if r == nil {
			return l + " none"
		}
		return l + " " + *r
	}).To(out)
	return left, right, out, t
}

func TestRecordsOfSeveralTopicsAreWrittenTogether(t *testing.T) {
	left, right, out, topology := sides()
	d := testkit.New(t, topology, testkit.Config{})
	at := time.UnixMilli(1000)
	d.Together(func() { // of equal times the right side comes first
		d.Input(left).Send("k", "a", at)
		d.Input(right).Send("k", "1", at)
		d.Input(left).Send("k", "b", at.Add(-1*time.Millisecond))
	})
	d.Output(out).ExpectValues("a 1", "b none")
	d.Input(left).Send("k", "c", at.Add(time.Second)) // runs at once again
	d.Output(out).ExpectValues("a 1", "b none", "c 1")
}

func TestTogetherReturnsTheErrorThatEndsTheApplication(t *testing.T) {
	broken := errors.New("broken")
	in, out := stream.NewTopic("in", codec.String(), codec.String()), stream.NewTopic("out", codec.String(), codec.String())
	topology := stream.NewTopology()
	topology.From(in).MapRecord(func(_ context.Context, r weir.Record[string, string]) (string, error) {
		if r.Value == "bad" {
			return "", fmt.Errorf("%s: %w", r.Value, broken)
		}
		return r.Value, nil
	}).To(out)
	d := testkit.New(t, topology, testkit.Config{})
	err := d.TryTogether(func() {
		for _, v := range []string{"a", "bad", "b"} {
			if err := d.Input(in).TrySendRecords(testkit.Record[string, string]{Key: "k", Value: v, Time: time.UnixMilli(0)}); err != nil {
				t.Errorf("%s: sending has run the topology: %v", v, err)
			}
		}
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
