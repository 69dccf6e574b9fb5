package jointest_test

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
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// A record that a join has kept, and that fails when another one releases it, is an error of its own place, by the policy. The record that releases it is
// processed, and the others that wait are emitted.
func TestAKeptRecordThatFailsIsAnErrorOfItsOwnPlace(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	lefts, rights := stream.NewTopic("lefts", codec.String(), codec.String()), stream.NewTopic("rights", codec.String(), codec.String())
	out := stream.NewTopic("out", codec.String(), codec.String())
	asOf := join.AsOf{}.Grace(time.Hour).Forward().Tolerance(time.Minute)
	interval := join.Within(time.Second, time.Second).Grace(time.Second).UnmatchedWhenFinal()
	texts := func(l, r *string) string {
		text := func(v *string) string {
			if v == nil {
				return "nil"
			}
			return *v
		}
		return text(l) + " " + text(r)
	}
	kinds := map[string]struct {
		join func(left, right stream.Stream[string, string]) stream.Stream[string, string]
		// matched says that the right record is the match of the left ones. Otherwise it comes too late for them.
		matched bool
	}{
		"as-of join": {func(left, right stream.Stream[string, string]) stream.Stream[string, string] {
			return left.JoinAsOf(right, asOf, func(l, r string) string { return texts(&l, &r) })
		}, true},
		"left as-of join": {func(left, right stream.Stream[string, string]) stream.Stream[string, string] {
			return left.LeftJoinAsOf(right, asOf.Tolerance(time.Second), func(l string, r *string) string { return texts(&l, r) })
		}, false},
		"left interval join": {func(left, right stream.Stream[string, string]) stream.Stream[string, string] {
			return left.LeftJoinInterval(right, interval, func(l string, r *string) string { return texts(&l, r) })
		}, false},
		"outer interval join": {func(left, right stream.Stream[string, string]) stream.Stream[string, string] {
			return left.OuterJoinInterval(right, interval, texts)
		}, false},
	}
	for name, kind := range kinds {
		for _, panics := range []bool{false, true} {
			for _, restart := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, a panic %v, behind a restart %v", name, panics, restart), func(t *testing.T) {
					topology := stream.NewTopology()
					kind.join(topology.From(lefts), topology.From(rights)).MapRecord(func(_ context.Context, r weir.Record[string, string]) (string, error) {
						switch {
						case !strings.HasPrefix(r.Value, "bad"):
							return r.Value, nil
						case panics:
							panic(r.Value)
						default:
							return "", errors.New(r.Value)
						}
					}).To(out)
					var failed []string
					policy := weir.ErrorPolicy{Decide: func(r *weir.FailedRecord) weir.ErrorAction {
						failed = append(failed, fmt.Sprintf("%s[%d]@%d: %v", r.Topic, r.Partition, r.Offset, r.Err))
						return weir.DeadLetter
					}, DeadLetters: weir.DeadLetterOptions{Topic: "letters", MaxShare: 1}}
					d := testkit.New(t, topology, testkit.Config{Start: begin, Errors: policy})
					for i, v := range []string{"one", "bad1", "bad2", "four"} {
						d.Input(lefts).Send("k", v, at(10+i))
					}
					if restart {
						d.Restart()
					}
					match, want := "R", []string{"four R", "late R", "one R"}
					if kind.matched {
						d.Input(rights).Send("k", "R", at(20)) // releases those that wait
					} else {
						d.Input(rights).Send("k", "R", at(100)) // it is too late for them
						match, want = "nil", []string{"four nil", "late R", "one nil"}
					}
					d.Input(lefts).Send("k", "late", at(map[bool]int{true: 19, false: 100}[kind.matched])) // the right record was kept
					d.Checkpoint()
					values := d.Output(out).Values()
					slices.Sort(values)
					if diff := gocmp.Diff(want, values); diff != "" {
						t.Errorf("output (-want +got):\n%s", diff)
					}
					if diff := gocmp.Diff([]string{"lefts[0]@1: bad1 " + match, "lefts[0]@2: bad2 " + match}, failed); diff != "" {
						t.Errorf("errors (-want +got):\n%s", diff)
					}
					var letters []string
					for _, r := range d.DeadLetters().Read() {
						letters = append(letters, string(r.Value))
					}
					if diff := gocmp.Diff([]string{"bad1", "bad2"}, letters); diff != "" {
						t.Errorf("dead letters (-want +got):\n%s", diff)
					}
				})
			}
		}
	}
}
