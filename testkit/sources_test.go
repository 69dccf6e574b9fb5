package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

var numbers = stream.NewTopic("numbers", codec.String(), codec.Int64())

// count returns a sequence of n records.
func count(n int) func(yield func(weir.Record[string, int64]) bool) {
	return func(yield func(weir.Record[string, int64]) bool) {
		for i := range n {
			if !yield(weir.Record[string, int64]{Key: "k", Value: int64(i)}) {
				return
			}
		}
	}
}

func upTo(n int64) (values []int64) {
	for i := range n {
		values = append(values, i)
	}
	return values
}

func valuesOf[K, V any](records []testkit.Record[K, V]) (values []V) {
	for _, r := range records {
		values = append(values, r.Value)
	}
	return values
}

func TestASourceIsReadAsFarAsTheTestSaysAndGoesOnBehindTheLastCheckpoint(t *testing.T) {
	for _, exactly := range []bool{false, true} {
		t.Run(fmt.Sprintf("exactly once %v", exactly), func(t *testing.T) {
			topology := stream.NewTopology()
			doubled := stream.NewTopic("doubled", codec.String(), codec.Int64())
			topology.FromSource(source.FromSeq(count(10)), numbers).Map(func(n int64) int64 { return 2 * n }).To(doubled)
			d := testkit.New(t, topology, testkit.Config{ExactlyOnce: exactly})
			in, out := d.Output(numbers), d.Output(doubled)
			if n := d.ReadSources(3); n != 3 {
				t.Fatalf("%d records were read, and not 3", n)
			}
			if diff := cmp.Diff(upTo(3), valuesOf(in.Read())); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]int64{0, 2, 4}, valuesOf(out.Read())); diff != "" {
				t.Error(diff)
			}
			d.Checkpoint()
			d.Crash(testkit.LoseState)
			d.ReadSourcesToEnd()
			d.Checkpoint()
			if diff := cmp.Diff(upTo(10)[3:], valuesOf(in.Read())); diff != "" {
				t.Error(diff)
			}
			if s := d.Sources(); len(s) != 1 || !s[0].Done || s[0].Finished != 1 {
				t.Errorf("%+v", s)
			}
			d.Restart()
			if n := d.ReadSourcesToEnd(); n != 0 {
				t.Errorf("%d records of a source at its end", n)
			}
		})
	}
}

func TestRecordsThatNoCheckpointCoversAreReadAgain(t *testing.T) {
	topology := stream.NewTopology()
	topology.AddSource(source.FromSeq(count(5)), numbers)
	d := testkit.New(t, topology, testkit.Config{})
	in := d.Output(numbers)
	d.ReadSources(2)
	d.Checkpoint()
	d.ReadSources(2)
	d.Crash(testkit.KeepState)
	d.ReadSourcesToEnd()
	if diff := cmp.Diff([]int64{0, 1, 2, 3, 2, 3, 4}, valuesOf(in.Read())); diff != "" {
		t.Error(diff)
	}
}

func TestATickerFollowsTheClockAndMakesUpForTheLastTickAlone(t *testing.T) {
	topology := stream.NewTopology()
	ticks := stream.NewTopic("ticks", codec.String(), codec.String())
	topology.AddSource(source.Ticker(time.Second, func(_ context.Context, at time.Time) (weir.Record[string, string], error) {
		return weir.Record[string, string]{Key: "k", Value: at.UTC().Format("05")}, nil
	}), ticks)
	d := testkit.New(t, topology, testkit.Config{Start: time.Date(2026, 1, 1, 0, 0, 0, 500e6, time.UTC)})
	out := d.Output(ticks)
	if n := d.ReadSourcesToEnd(); n != 0 {
		t.Errorf("%d records before the first tick", n)
	}
	for range 2 {
		d.Advance(time.Second)
		d.ReadSourcesToEnd()
	}
	d.Restart()
	d.Advance(5 * time.Second)
	d.ReadSourcesToEnd()
	records := out.Read()
	if diff := cmp.Diff([]string{"01", "02", "07"}, valuesOf(records)); diff != "" {
		t.Error(diff)
	}
	if got := records[2].Time.UTC(); !got.Equal(time.Date(2026, 1, 1, 0, 0, 7, 0, time.UTC)) {
		t.Errorf("the time of the last record is %v", got)
	}
}

func TestAFunctionThatFailsIsCalledAgainBehindItsLastPosition(t *testing.T) {
	var from []string
	topology := stream.NewTopology()
	topology.AddSourceWith(source.Options{Name: "f", Retry: weir.Retry{Attempts: 2, FirstWait: time.Second}},
		source.Func(func(_ context.Context, position []byte, emit source.Emit[string, int64]) error {
			from = append(from, string(position))
			for _, r := range []int64{1, 2} {
				if string(position) == "" {
					if err := emit(weir.Record[string, int64]{Value: r}, fmt.Append(nil, r)); err != nil {
						return err
					}
				}
			}
			return errors.New("the system has closed the connection")
		}), numbers)
	d := testkit.New(t, topology, testkit.Config{})
	in := d.Output(numbers)
	d.ReadSourcesToEnd()
	d.Advance(time.Second)
	_, err := d.TryReadSources(100)
	failed, ok := errors.AsType[*source.Error](err)
	if !ok || failed.Source != "f" || failed.Split != "all" || failed.Doing != "read" || failed.Attempts != 2 {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff([]int64{1, 2}, valuesOf(in.Read())); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"", "2"}, from); diff != "" {
		t.Error(diff)
	}
}

func TestARecordOfASourceThatCannotBeEncodedGoesToTheErrorPolicy(t *testing.T) {
	for _, skip := range []bool{false, true} {
		t.Run(fmt.Sprintf("skip %v", skip), func(t *testing.T) {
			topology := stream.NewTopology()
			topic := stream.NewTopic("texts", codec.String(), codec.JSON[any]())
			topology.AddSource(source.FromSeq(slices.Values([]weir.Record[string, any]{{Key: "a", Value: 1}, {Key: "b", Value: func() {}}, {Key: "c", Value: 3}})), topic)
			var errs weir.ErrorPolicy
			if skip {
				errs.Action = weir.Skip
			}
			d := testkit.New(t, topology, testkit.Config{Errors: errs})
			out := d.Output(topic)
			_, err := d.TryReadSources(10)
			if skip {
				if err != nil || len(out.Read()) != 2 {
					t.Errorf("%v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), `source "texts": split "all": record 1 behind position "1": encode value`) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A window behind a source closes with IdleTimeout as one behind any topic, and so does one behind a group of it. The last topology has a topic that it
// writes and reads: time stands there without records, and Advance comes to an end.
func TestTimeGoesOnBehindSources(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	feed, between := stream.SourceTopic[string, string]("feed"), stream.NewTopic("between", codec.String(), codec.String())
	counts := stream.NewTopic("counts", codec.String(), codec.JSON[window.Result[int64]]())
	counted := func(s stream.Stream[string, string]) {
		s.Window(window.Tumbling(time.Second)).Aggregate(window.Count[string]()).Final().To(counts)
	}
	for name, test := range map[string]struct {
		build func(t *stream.Topology, s stream.Stream[string, string])
		want  int
	}{
		"a window": {func(_ *stream.Topology, s stream.Stream[string, string]) { counted(s) }, 1},
		"a group": {func(_ *stream.Topology, s stream.Stream[string, string]) {
			counted(s.GroupBy("word", func(v string) string { return v }))
		}, 1},
		"a topic between": {func(t *stream.Topology, s stream.Stream[string, string]) {
			s.To(between)
			counted(t.From(between).GroupBy("word", func(v string) string { return v }))
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topology := stream.NewTopology()
			test.build(topology, topology.FromSource(source.FromSeq(slices.Values([]weir.Record[string, string]{{Key: "k", Value: "v", Millis: begin.UnixMilli()}})), feed))
			d := testkit.New(t, topology, testkit.Config{Start: begin, IdleTimeout: 10 * time.Second})
			d.ReadSourcesToEnd()
			for range 4 {
				d.Advance(time.Minute)
			}
			if n := len(d.Output(counts).Read()); n != test.want {
				t.Errorf("%d windows have closed, want %d", n, test.want)
			}
		})
	}
}
