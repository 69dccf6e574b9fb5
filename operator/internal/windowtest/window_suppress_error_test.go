package windowtest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// A result that was held back and fails is an error of the record that it came of, by the policy: whether it was due because of a later record,
// for lack of room or before a checkpoint. Neither that record nor other results are lost.
func TestAHeldBackResultThatFailsIsAnErrorOfItsRecord(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	text := func(name string) stream.Topic[string, string] {
		return stream.NewTopic(name, codec.String(), codec.String())
	}
	in, out := text("in"), text("out").WithConfig(map[string]string{"max.message.bytes": "1000"})
	failing := map[string]func(string) (string, error){
		"a function returns an error": func(v string) (string, error) {
			if strings.HasPrefix(v, "bad") {
				return "", errors.New("a bad value")
			}
			return v, nil
		},
		"a function panics": func(v string) (string, error) {
			if strings.HasPrefix(v, "bad") {
				panic("a bad value")
			}
			return v, nil
		},
		"the topic refuses the record": func(v string) (string, error) {
			if strings.HasPrefix(v, "bad") {
				return strings.Repeat(v, 1000), nil
			}
			return v, nil
		},
	}
	for name, f := range failing {
		for due, suppression := range map[string]window.Suppression{
			"a later record": {Interval: 10 * time.Millisecond}, "no room": {Interval: time.Hour, MaxResults: 1}, "a checkpoint": {Interval: time.Hour},
		} {
			for _, exactlyOnce := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, due by %s, exactly once %v", name, due, exactlyOnce), func(t *testing.T) {
					topology := stream.NewTopology()
					last := window.Last(func(v string) string { return v })
					topology.From(in).Window(window.Tumbling(time.Hour)).Aggregate(last).Suppress(suppression).
						MapRecord(func(_ context.Context, r weir.Record[string, window.Result[string]]) (string, error) {
							return f(r.Value.Value)
						}).
						To(out)
					d := testkit.New(t, topology, testkit.Config{
						Start: begin, ExactlyOnce: exactlyOnce,
						Errors: weir.ErrorPolicy{Action: weir.DeadLetter, DeadLetters: weir.DeadLetterOptions{MaxShare: 1}},
					})
					d.Together(func() {
						for i, v := range []string{"one", "bad two", "bad three", "four", "bad five", "six"} {
							d.Input(in).Send(fmt.Sprint(i), v, begin.Add(time.Duration(i/3)*time.Second))
						}
					})
					d.Checkpoint()
					values := d.Output(out).Values()
					slices.Sort(values)
					var letters []string
					for _, r := range d.DeadLetters().Read() {
						letters = append(letters, string(r.Value))
					}
					slices.Sort(letters)
					if diff := gocmp.Diff([]string{"four", "one", "six"}, values); diff != "" {
						t.Errorf("output (-want +got):\n%s", diff)
					}
					if diff := gocmp.Diff([]string{"bad five", "bad three", "bad two"}, letters); diff != "" {
						t.Errorf("dead letters (-want +got):\n%s", diff)
					}
				})
			}
		}
	}
}
