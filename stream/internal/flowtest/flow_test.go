package flowtest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

func TestEveryBranchSeesEveryRecord(t *testing.T) {
	long := stream.NewTopic("long", codec.String(), codec.String())
	lengths := stream.NewTopic("lengths", codec.String(), codec.Int())
	topology := stream.NewTopology()
	s := topology.From(in)
	s.Filter(func(v string) bool { return len(v) > 3 }).To(long)
	s.Map(func(v string) int { return len(v) }).To(lengths)
	s.To(out)
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(in).Send("k", "weir", at(0))
	d.Input(in).Send("k", "dam", at(0))
	d.Output(long).ExpectValues("weir")
	d.Output(lengths).ExpectValues(4, 3)
	d.Output(out).ExpectValues("weir", "dam")
}

func TestSeveralStreamsWriteOneTopic(t *testing.T) {
	topology := stream.NewTopology()
	s := topology.From(in)
	s.To(out)
	s.Map(func(v string) string { return v + "!" }).To(out)
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(in).Send("k", "weir", at(0))
	d.Output(out).ExpectValues("weir", "weir!")
}

func TestMerge(t *testing.T) {
	other := stream.NewTopic("other", codec.String(), codec.String())
	t.Run("of two topics takes the records of both", func(t *testing.T) {
		topology := stream.NewTopology()
		topology.From(in).Merge(topology.From(other)).To(out)
		d := testkit.New(t, topology, testkit.Config{})
		d.Input(other).Send("k", "a", at(0))
		d.Input(in).Send("k", "b", at(0))
		d.Output(out).ExpectValues("a", "b")
	})
	t.Run("of a stream with itself takes each record twice", func(t *testing.T) {
		topology := stream.NewTopology()
		s := topology.From(in)
		s.Merge(s).To(out)
		d := testkit.New(t, topology, testkit.Config{})
		d.Input(in).Send("k", "a", at(0))
		d.Input(in).Send("k", "b", at(0))
		d.Output(out).ExpectValues("a", "a", "b", "b")
	})
	t.Run("of a stream and what comes of it takes both", func(t *testing.T) {
		topology := stream.NewTopology()
		s := topology.From(in)
		s.Merge(s.Map(func(v string) string { return v + "!" }), s.Filter(func(v string) bool { return v == "a" })).To(out)
		d := testkit.New(t, topology, testkit.Config{})
		d.Input(in).Send("k", "a", at(0))
		d.Input(in).Send("k", "b", at(0))
		d.Output(out).ExpectValues("a!", "a", "a", "b!", "b")
	})
	t.Run("of no others is the stream", func(t *testing.T) {
		topology := stream.NewTopology()
		topology.From(in).Merge().To(out)
		d := testkit.New(t, topology, testkit.Config{})
		d.Input(in).Send("k", "a", at(0))
		d.Output(out).ExpectValues("a")
	})
}

// A topic that one branch writes and another reads makes no cycle.
func TestTopicBetweenTwoStreams(t *testing.T) {
	between := stream.NewTopic("between", codec.String(), codec.String())
	topology := stream.NewTopology()
	s := topology.From(in)
	s.To(between)
	s.Merge(topology.From(between)).To(out)
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(in).Send("k", "a", at(0))
	d.Output(out).ExpectValues("a", "a")
}

func TestTypesWithANullOfTheirOwnStayNull(t *testing.T) {
	source := stream.NewTopic("source", codec.Nullable(codec.String()), codec.Bytes())
	sink := stream.NewTopic("sink", codec.Nullable(codec.String()), codec.Bytes())
	topology := stream.NewTopology()
	topology.From(source).
		MapRecord(func(_ context.Context, r weir.Record[*string, []byte]) ([]byte, error) {
			if r.KeyNull != (r.Key == nil) || r.ValueNull != (r.Value == nil) {
				t.Errorf("record %+v", r)
			}
			return r.Value, nil // nil is a null, written back
		}).
		GroupByRecord("g", func(_ context.Context, r weir.Record[*string, []byte]) (*string, error) { return r.Key, nil }).
		To(sink)
	d := testkit.New(t, topology, testkit.Config{})
	key := "k"
	records := []testkit.Record[*string, []byte]{
		{Key: &key, Value: []byte("v"), Time: at(0)},
		{Key: &key, Value: []byte{}, Time: at(0)},
		{Key: &key, ValueNull: true, Time: at(0)},
		{KeyNull: true, Value: []byte("v"), Time: at(0)},
	}
	d.Input(source).SendRecords(records...)
	d.Output(sink).Expect(records...)
}

func TestFunctionsOfValuesSeeTheZeroValueForANull(t *testing.T) {
	topology := stream.NewTopology()
	ints := stream.NewTopic("ints", codec.String(), codec.Int())
	topology.From(ints).Map(func(n int) int { return n + 1 }).To(stream.NewTopic("next", codec.String(), codec.Int()))
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(ints).Send("k", 4, at(0))
	d.Input(ints).SendRecords(testkit.Record[string, int]{Key: "k", ValueNull: true, Time: at(0)})
	d.Output(stream.NewTopic("next", codec.String(), codec.Int())).ExpectValues(5, 1)
}

// D-17.
func TestCodecErrorsNameThePartAndTheNode(t *testing.T) {
	ints := stream.NewTopic("ints", codec.Int(), codec.Int())
	copies := stream.NewTopic("copies", codec.Int(), refusing{codec.Int()})
	topology := stream.NewTopology()
	topology.From(ints).To(copies)
	eight := []byte{0, 0, 0, 0, 0, 0, 0, 8}
	for _, c := range []struct {
		name       string
		key, value []byte
		node       string
		want       weir.CodecError
	}{
		{"key does not decode", []byte("x"), []byte("x"), "source ints", weir.CodecError{Part: codec.Key.String()}},
		{"value does not decode", eight, []byte("x"), "source ints", weir.CodecError{Part: codec.Value.String()}},
		{"value does not encode", eight, eight, "sink copies", weir.CodecError{Part: codec.Value.String(), Encoding: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := testkit.New(t, topology, testkit.Config{}).Input(ints).TrySendBytes(c.key, c.value, at(0))
			var failed *weir.ProcessingError
			var codecError *weir.CodecError
			if !errors.As(err, &failed) || !errors.As(err, &codecError) {
				t.Fatalf("error %v, want a ProcessingError of a CodecError", err)
			}
			if failed.Node != c.node || failed.Topic != "ints" || failed.Stack != nil {
				t.Errorf("%v; want node %q", failed, c.node)
			}
			if codecError.Part != c.want.Part || codecError.Encoding != c.want.Encoding {
				t.Errorf("%v, want %v", codecError, &c.want)
			}
		})
	}
	t.Run("skipped", func(t *testing.T) {
		d := testkit.New(t, topology, testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
		if err := d.Input(ints).TrySendBytes([]byte("x"), nil, at(0)); err != nil {
			t.Fatal(err)
		}
		d.Input(ints).Send(1, 2, at(0))
		d.Output(copies).ExpectValues(2)
		if n := d.Tasks()[0].Skipped; n != 1 {
			t.Errorf("%d records skipped, want 1", n)
		}
	})
}

var errBad = errors.New("bad value")

// refusing is a codec that cannot encode 8.
type refusing struct{ codec.Codec[int] }

func (r refusing) Append(dst []byte, c *codec.Context, n int) ([]byte, error) {
	if n == 8 {
		return dst, errBad
	}
	return r.Codec.Append(dst, c, n)
}

// D-10.
func TestCellsKeepStateByKey(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(in).MapState(cellHandle, func(c *textCell, v string) string {
		before, ok := c.Get()
		if !ok {
			before = "none"
		}
		if v == "delete" {
			c.Delete()
		} else {
			c.Set(v)
		}
		return before
	}).To(out)
	d := testkit.New(t, topology, testkit.Config{})
	input, output := d.Input(in), d.Output(out)
	for _, r := range []record{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}, {Key: "a", Value: "3"}, {Key: "a", Value: "delete"}, {Key: "a", Value: ""}, {Key: "a", Value: "4"}, {Key: "", Value: "5"}, {Key: "", Value: "6"}} {
		input.SendRecords(r)
	}
	output.ExpectValues("none", "none", "1", "3", "none", "", "none", "5")
	d.Checkpoint()
	d.Crash(testkit.LoseState)
	input.SendRecords(record{Key: "a", Value: "7"}, record{Key: "b", Value: "delete"}, record{Key: "b", Value: "8"})
	output.ExpectValues("4", "2", "none")
}

// S-14.
func TestStateSetBeforeAFailureStays(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(in).MapStateRecord(cellHandle, func(_ context.Context, c *textCell, r textRecord) (string, error) {
		before, _ := c.Get()
		c.Set(r.Value)
		if r.Value == "bad" {
			return "", errBad
		}
		return before, nil
	}).To(out)
	d := testkit.New(t, topology, testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
	d.Input(in).SendRecords(record{Key: "k", Value: "good"}, record{Key: "k", Value: "bad"}, record{Key: "k", Value: "good"})
	d.Output(out).ExpectValues("", "bad")
}

var (
	amounts = stream.NewTopic("amounts", codec.String(), codec.Nullable(codec.Int()))
	sums    = stream.NewTopic("sums", codec.String(), codec.JSON[window.Result[int]]())
)

type (
	amount = testkit.Record[string, *int]
	sum    = testkit.Record[string, window.Result[int]]
)

func pay(key string, ms int64, n int) amount { return amount{Key: key, Value: &n, Time: at(ms)} }

func sumOf(key string, start, value int) sum {
	return sum{
		Key: key, Time: at(int64(start)),
		Value: window.Result[int]{StartMillis: int64(start), EndMillis: int64(start) + 10, Value: value},
	}
}

func TestWindows(t *testing.T) {
	ten := window.Tumbling(10 * time.Millisecond)
	for _, c := range []struct {
		name      string
		window    window.Definition
		current   bool
		input     []amount
		want      []sum
		late, nul int64
	}{
		{
			name: "close when their key reaches their end", window: ten,
			input: []amount{pay("a", 0, 1), pay("a", 9, 2), pay("b", 10, 4), pay("a", 10, 8)},
			want:  []sum{sumOf("a", 0, 3)},
		},
		{
			name: "stay open for the grace", window: ten.Grace(5 * time.Millisecond),
			input: []amount{pay("a", 0, 1), pay("a", 14, 2), pay("a", 9, 4), pay("a", 15, 8), pay("a", 8, 16)},
			want:  []sum{sumOf("a", 0, 5)},
			late:  1,
		},
		{
			name: "close in order, all that are due", window: ten.Grace(30 * time.Millisecond),
			input: []amount{pay("a", 21, 1), pay("a", 1, 2), pay("a", 11, 4), pay("a", 100, 8)},
			want:  []sum{sumOf("a", 0, 2), sumOf("a", 10, 4), sumOf("a", 20, 1)},
		},
		{
			name: "emit with every change if current", window: ten, current: true,
			input: []amount{pay("a", 0, 1), pay("a", 9, 2), pay("a", 10, 4), pay("a", 5, 8)},
			want:  []sum{sumOf("a", 0, 1), sumOf("a", 0, 3), sumOf("a", 10, 4)},
			late:  1,
		},
		{
			name: "skip null keys", window: ten,
			input: []amount{{KeyNull: true, Time: at(0)}, pay("a", 1, 1), pay("a", 10, 1)},
			want:  []sum{sumOf("a", 0, 1)},
			nul:   1,
		},
		{
			name: "take no times before 1970 or after 9999", window: ten,
			input: []amount{pay("a", -1, 1), pay("a", 253402300800000, 1), pay("a", 1, 1), pay("a", 10, 1)},
			want:  []sum{sumOf("a", 0, 1)},
			late:  2,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, disturb := range []string{"", "checkpoint", "restart", "crash", "disk lost"} {
				topology := stream.NewTopology()
				a := topology.From(amounts).Window(c.window).Aggregate(window.Sum(func(n *int) int { return *n }))
				if c.current {
					a.Current().To(sums)
				} else {
					a.Final().To(sums)
				}
				d := testkit.New(t, topology, testkit.Config{})
				output := d.Output(sums)
				var late, nul int64
				for _, r := range c.input {
					r.Headers = []weir.Header{{Key: "h"}} // results have none
					d.Input(amounts).SendRecords(r)
					if disturb == "" {
						continue
					}
					late, nul = late+d.Tasks()[0].Late, nul+d.Tasks()[0].NullKeys
					switch d.Checkpoint(); disturb {
					case "checkpoint":
						late, nul = 0, 0
					case "restart":
						d.Restart()
					case "crash":
						d.Crash(testkit.KeepState)
					case "disk lost":
						d.Crash(testkit.LoseState)
					}
				}
				output.Expect(c.want...)
				if late, nul = late+d.Tasks()[0].Late, nul+d.Tasks()[0].NullKeys; late != c.late || nul != c.nul {
					t.Errorf("%s: %d late and %d null keys, want %d and %d", disturb, late, nul, c.late, c.nul)
				}
			}
		})
	}
}

// The failed record must neither open a window, whose result would be one of no records, nor close one.
func TestRecordThatTheAggregatorFailsForLeavesNoTrace(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(amounts).
		Window(window.Tumbling(10 * time.Millisecond)).
		Aggregate(window.Sum(func(n *int) int {
			if *n < 0 {
				panic(errBad)
			}
			return *n
		})).
		Final().
		To(sums)
	d := testkit.New(t, topology, testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
	d.Input(amounts).SendRecords(
		pay("a", 1, 1),
		pay("a", 50, -1),
		pay("a", 2, 2),
		pay("a", 60, 4),
		pay("a", 65, -1),
		pay("a", 70, 8),
	)
	d.Output(sums).Expect(sumOf("a", 0, 3), sumOf("a", 60, 4))
	if task := d.Tasks()[0]; task.Skipped != 2 || task.Late != 0 {
		t.Errorf("%d skipped, %d late; want 2 and 0", task.Skipped, task.Late)
	}
}

// A window that was closed by a record is gone, even if its result fails further on; the other windows are emitted.
func TestResultThatFailsIsSkippedAlone(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(amounts).
		Window(window.Tumbling(10 * time.Millisecond).Grace(50 * time.Millisecond)).
		Aggregate(window.Sum(func(n *int) int { return *n })).
		Final().
		PeekRecord(func(_ context.Context, r weir.Record[string, window.Result[int]]) error {
			if r.Value.Value == 2 {
				return errBad
			}
			return nil
		}).
		To(sums)
	d := testkit.New(t, topology, testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
	d.Input(amounts).SendRecords(pay("a", 1, 1), pay("a", 11, 2), pay("a", 21, 4), pay("a", 500, 8), pay("a", 501, 8))
	d.Output(sums).Expect(sumOf("a", 0, 1), sumOf("a", 20, 4))
	if n := d.Tasks()[0].Skipped; n != 1 {
		t.Errorf("%d skipped, want 1", n)
	}
}

func TestAggregators(t *testing.T) {
	values := []int{3, -1, 7}
	expectAggregate(t, "Count", window.Count[int](), values, "3")
	expectAggregate(t, "Sum", window.Sum(func(n int) int32 { return int32(n) }), values, "9")
	expectAggregate(t, "Sum of floats", window.Sum(func(n int) float64 { return float64(n) / 2 }), values, "4.5")
	expectAggregate(t, "Min", window.Min(func(n int) int { return n }), values, "-1")
	expectAggregate(t, "Min of positive", window.Min(func(n int) uint8 { return uint8(n) }), []int{3, 9}, "3")
	expectAggregate(t, "Max", window.Max(func(n int) int { return n }), values, "7")
	expectAggregate(t, "Max of negative", window.Max(func(n int) int { return n }), []int{-3, -2}, "-2")
	expectAggregate(t, "Mean", window.Mean(func(n int) int { return n }), values, "3")
	expectAggregate(t, "Custom", window.Custom(
		func() []int { return nil },
		func(all *[]int, n int) { *all = append(*all, n) },
		func(all *[]int) string { return string(rune('a' + len(*all))) },
	), values, "d")
}

// asText is an aggregator with its result as text, so that the results of all aggregators are one type of stream.
type asText[A, R any] struct {
	window.Aggregator[int, A, R]
}

func (a asText[A, R]) Result(acc *A) string { return fmt.Sprint(a.Aggregator.Result(acc)) }

// expectAggregate expects a result, and the same when the accumulator is restored from the changelog after each value.
func expectAggregate[A, R any](t *testing.T, name string, a window.Aggregator[int, A, R], values []int, want string) {
	t.Helper()
	numbers := stream.NewTopic("numbers", codec.String(), codec.Int())
	results := stream.NewTopic("results", codec.String(), codec.JSON[window.Result[string]]())
	topology := stream.NewTopology()
	topology.From(numbers).Window(window.Tumbling(time.Second)).Aggregate[A, string](asText[A, R]{a}).Final().To(results)
	for _, crash := range []bool{false, true} {
		d := testkit.New(t, topology, testkit.Config{})
		for _, n := range values {
			d.Input(numbers).Send("k", n, at(0))
			if crash {
				d.Checkpoint()
				d.Crash(testkit.LoseState)
			}
		}
		d.Input(numbers).Send("k", 0, at(1000))
		if got := d.Output(results).Values(); len(got) != 1 || got[0].Value != want {
			t.Errorf("%s: results %v, want one of value %v (crashed: %v)", name, got, want, crash)
		}
	}
}
