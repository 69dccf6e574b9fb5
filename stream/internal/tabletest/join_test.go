package tabletest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/stream/internal/streamtest"
	"github.com/weirstreams/weir/testkit"
)

func TestMistakesInJoinsAreFound(t *testing.T) {
	other := stream.NewTopology().From(words)
	tests := []struct {
		name  string
		build func(left, right stream.Stream[string, string])
		want  []string
	}{
		{"the same right side twice", func(left, right stream.Stream[string, string]) {
			streamtest.Read(left.JoinAsOf(right, join.AsOf{}.Grace(time.Hour), concat))
			streamtest.Read(left.JoinAsOf(right, join.AsOf{}.Grace(time.Hour), concat))
		}, []string{`the store "join" belongs to the operator declared at tabletest/join_test.go:LINE already: give one of them another name`}},
		{"with names", func(left, right stream.Stream[string, string]) {
			streamtest.Read(left.JoinAsOf(right, join.AsOf{}.Grace(time.Hour), concat))
			streamtest.Read(left.JoinAsOf(right, join.AsOf{}.Grace(time.Hour).Name("second"), concat))
		}, nil},
		{"an interval join twice", func(left, right stream.Stream[string, string]) {
			streamtest.Read(left.JoinInterval(right, join.Within(0, 0), concat))
			streamtest.Read(left.JoinInterval(right, join.Within(0, 0), concat))
		}, []string{
			`the store "join_left" belongs to the operator declared at tabletest/join_test.go:LINE already: give one of them another name`,
			`the store "join_right" belongs to the operator declared at tabletest/join_test.go:LINE already: give one of them another name`,
		}},
		{"a stream of another topology", func(left, right stream.Stream[string, string]) {
			streamtest.Read(right)
			streamtest.Read(left.JoinAsOf(other, join.AsOf{}.Grace(time.Hour), concat))
		}, []string{"a stream of another topology cannot be joined"}},
		{"no function", func(left, right stream.Stream[string, string]) {
			streamtest.Read(left.JoinAsOf[string, string](right, join.AsOf{}.Grace(time.Hour), nil))
		}, []string{"the function is nil"}},
		{"all at once", func(left, right stream.Stream[string, string]) {
			streamtest.Read(left.JoinAsOf(right, join.AsOf{}.Grace(-time.Second).Tolerance(time.Microsecond).RightCodec(codec.Int()), concat))
		}, []string{
			"Grace is -1s: it cannot be negative",
			"Tolerance is 1µs: times are whole milliseconds",
			"the codec of the right side is a codec.intCodec, which is not one of its values",
		}},
		{"forward without tolerance", func(left, right stream.Stream[string, string]) {
			streamtest.Read(left.JoinAsOf(right, join.AsOf{}.Grace(time.Hour).Forward(), concat))
		}, []string{"Forward and Nearest need a Tolerance: it is how long a record waits for a match; or set Wait, which bounds it by the clock"}},
		{"bounds longer than the grace", func(left, right stream.Stream[string, string]) { // D-J6
			streamtest.Read(left.JoinInterval(right, join.Within(time.Second, time.Minute).Grace(time.Second), concat))
		}, []string{"after (1m0s) is longer than the grace (1s): records would be gone before their matches come"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			topology := stream.NewTopology()
			test.build(topology.From(pages), topology.From(words))
			var got []string
			if err, ok := topology.Validate().(*stream.ValidationError); ok {
				for _, f := range err.Findings {
					got = append(got, streamtest.WithoutLines(f.Problem))
					if !strings.HasPrefix(f.Site, "tabletest/join_test.go:") {
						t.Errorf("the site is %q", f.Site)
					}
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// A stream that is joined with itself is on both sides, the right one first: a record matches itself.
// J-1: not refused here.
func TestAStreamCanBeJoinedWithItself(t *testing.T) {
	topology := stream.NewTopology()
	in := topology.From(pages)
	in.JoinInterval(in, join.Within(time.Second, 0), concat).To(words)
	d := testkit.New(t, topology, testkit.Config{})
	for i, v := range []string{"a", "b", "c"} {
		d.Input(pages).Send("k", v, time.Unix(int64(i), 0))
	}
	d.Output(words).ExpectValues("aa", "ba", "bb", "cb", "cc")
}

// Branches of one topic are joined like topics.
func TestBranchesOfAStreamCanBeJoined(t *testing.T) {
	topology := stream.NewTopology()
	in := topology.From(pages)
	upper := in.Map(strings.ToUpper)
	in.Filter(func(v string) bool { return v != "a" }).JoinAsOf(upper, join.AsOf{}.Grace(time.Hour), concat).To(words)
	d := testkit.New(t, topology, testkit.Config{})
	for i, v := range []string{"a", "b"} {
		d.Input(pages).Send("k", v, time.Unix(int64(i), 0))
	}
	// The branch of Map was declared first, and sees "b" before the join does.
	d.Output(words).ExpectValues("bB")
}
