package windowtest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// kept keeps whole records of results.
type kept struct {
	records []weir.Record[string, window.Result[int]]
}

func (k *kept) Receive(r *weir.Record[string, window.Result[int]]) error {
	k.records = append(k.records, *r)
	return nil
}

// direct is an operator without an engine.
type direct struct {
	t       *testing.T
	backend state.Backend
	env     *operator.Env
	out     kept
	in      operator.Receiver[string, int]
}

func open[A any](t *testing.T, backend state.Backend, d window.Definition, a window.Aggregator[int, A, int], e operator.Emission[string, int, int]) *direct {
	t.Helper()
	x := &direct{t: t, backend: backend}
	x.env = &operator.Env{
		Context: t.Context(), Logger: slog.New(slog.DiscardHandler),
		Space: func(name string) (state.Space, error) {
			return state.Space{Name: name, Backend: backend, Prefix: []byte{7}, CacheBytes: 1 << 20}, nil
		},
	}
	var err error
	if x.in, err = operator.NewWindow(x.env, 0, d, a, e, codec.String(), &x.out); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *direct) send(key string, millis int64, value int) {
	x.t.Helper()
	r := weir.Record[string, int]{
		Key: key, Value: value, Millis: millis, Origin: &x.env.Origin, Headers: []weir.Header{{Key: "h"}},
	}
	if err := x.in.Receive(&r); err != nil {
		x.t.Fatal(err)
	}
}

func (x *direct) checkpoint() {
	x.t.Helper()
	b := x.backend.NewBatch()
	for _, s := range x.env.Stores {
		err := s.Flush(func(key, value []byte) error {
			key = append([]byte{7}, key...)
			if value == nil {
				return b.Delete(key)
			}
			return b.Set(key, value)
		})
		if err != nil {
			x.t.Fatal(err)
		}
		defer s.Committed()
	}
	if err := b.Commit(false); err != nil {
		x.t.Fatal(err)
	}
}

func itself(n int) int { return n }

// W-4, W-5, W-7. A result has the key of the records, the start of its window as its time, no headers, and start, end
// and value; windows that a record closes come by start.
func TestResultsHaveTheTimeOfTheirStartAndNoHeaders(t *testing.T) {
	x := open(t, state.NewMemory(), window.Hopping(10*time.Millisecond, 5*time.Millisecond), window.Sum(itself), operator.Emission[string, int, int]{})
	x.send("k", 7, 1)
	x.env.Origin = weir.Origin{Topic: "in", Partition: 2, Offset: 9}
	x.send("k", 99, 2)
	want := []weir.Record[string, window.Result[int]]{
		{Key: "k", Value: window.Result[int]{StartMillis: 0, EndMillis: 10, Value: 1}, Millis: 0, Origin: &x.env.Origin},
		{Key: "k", Value: window.Result[int]{StartMillis: 5, EndMillis: 15, Value: 1}, Millis: 5, Origin: &x.env.Origin},
	}
	if diff := cmp.Diff(want, x.out.records); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

// W-9. An aggregation that fails in the second window of a record leaves it in the first, and out of the second.
func TestAFailingAggregationLeavesWindowsThatWereUpdatedBefore(t *testing.T) {
	in := stream.NewTopic("in", codec.String(), codec.Int())
	out := stream.NewTopic("out", codec.String(), codec.String())
	sum := window.Custom(
		func() int { return 0 },
		func(acc *int, n int) {
			if *acc == 5 {
				panic("five")
			}
			*acc += n
		},
		func(acc *int) int { return *acc })
	topology := stream.NewTopology()
	topology.From(in).Window(window.Hopping(10*time.Millisecond, 5*time.Millisecond).Grace(5 * time.Millisecond)).Aggregate(sum).Final().
		Map(func(r window.Result[int]) string { return fmt.Sprint(r.StartMillis, "=", r.Value) }).To(out)
	d := testkit.New(t, topology, testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
	for _, r := range []struct {
		at int64
		n  int
	}{{3, 2}, {12, 5}, {7, 1}, {99, 0}} { // at 7: [0,10) is 2, [5,15) is 5
		d.Input(in).Send("k", r.n, time.UnixMilli(r.at))
	}
	d.Output(out).ExpectValues("0=3", "5=5", "10=5")
}

// W-11. What a reducer returns is the accumulator, whatever it is: there is no value that begins anew.
func TestAReducerThatReturnsTheZeroValueGoesOn(t *testing.T) {
	x := open(t, state.NewMemory(), window.Tumbling(10*time.Millisecond),
		window.Reduce(func(n int) int { return 1000 + n }, func(_, n int) int { return n }), operator.Emission[string, int, int]{Current: true})
	for i, n := range []int{1, 0, 2} {
		x.send("k", int64(i), n)
	}
	if got := x.out.records; got[0].Value.Value != 1001 || got[1].Value.Value != 0 || got[2].Value.Value != 2 {
		t.Errorf("results %v", got)
	}
}

// W-14. NaN and infinities survive checkpoints and go on.
func TestFloatsThatAreNoNumbersSurvive(t *testing.T) {
	floats := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}
	backend := state.NewMemory()
	text := func(f float64) int { return int(math.Float64bits(f) >> 52) } // sign and exponent
	sum := window.Combine2(window.Sum(func(i int) float64 { return floats[i%3] }), window.Max(func(i int) float64 { return floats[i%3] }),
		func(sum, high float64) int { return text(sum)*10_000 + text(high) })
	for i := range 3 {
		for range 3 {
			x := open(t, backend, window.Tumbling(10*time.Millisecond), sum, operator.Emission[string, int, int]{Current: true})
			x.send(strconv.Itoa(i), 1, i)
			x.checkpoint()
			if got, want := x.out.records[0].Value.Value, text(floats[i])*10_001; got != want && i != 0 {
				t.Errorf("of %v: %d, want %d", floats[i], got, want)
			} else if i == 0 && got/10_000&0x7ff != 0x7ff {
				t.Errorf("of NaN: %d", got)
			}
		}
	}
}

// W-15. Sums of integers wrap around, as Go's do.
func TestSumsOfIntegersWrapAround(t *testing.T) {
	x := open(t, state.NewMemory(), window.Tumbling(10*time.Millisecond), window.Sum(itself), operator.Emission[string, int, int]{Current: true})
	x.send("k", 1, math.MaxInt)
	x.send("k", 2, 1)
	if got := x.out.records[1].Value.Value; got != math.MinInt {
		t.Errorf("sum %d", got)
	}
}

// scans counts the rows that are read by scans.
type scans struct {
	state.Backend
	rows int
}

func (s *scans) Scan(from, to []byte, f func(key, value []byte) (bool, error)) error {
	return s.Backend.Scan(from, to, func(key, value []byte) (bool, error) {
		s.rows++
		return f(key, value)
	})
}

// W-44, and item 5 of the issue. What closing by partition reads of the database does not depend on how many keys have
// windows that stay open.
func TestClosingByPartitionReadsWhatCloses(t *testing.T) {
	for name, d := range map[string]window.Definition{
		"tumbling": window.Tumbling(10 * time.Millisecond),
		"sliding":  window.Sliding(10 * time.Millisecond),
		"session":  window.Session(10 * time.Millisecond),
	} {
		rows := map[int]int{}
		for _, alive := range []int{10, 2000} {
			backend := &scans{Backend: state.NewMemory()}
			d := d.CloseByPartition().Grace(time.Second)
			x := open(t, backend, d, window.Sum(itself), operator.Emission[string, int, int]{})
			x.send("closing", 0, 1)
			for i := range alive {
				x.send(strconv.Itoa(i), 500, 1)
			}
			x.checkpoint()
			x = open(t, backend, d, window.Sum(itself), operator.Emission[string, int, int]{})
			backend.rows = 0
			x.send("other", 1100, 1)
			rows[alive] = backend.rows
			if len(x.out.records) != 1 || x.out.records[0].Key != "closing" {
				t.Fatalf("%s: results %v", name, x.out.records)
			}
		}
		if rows[10] != rows[2000] || rows[10] > 10 {
			t.Errorf("%s: rows read with 10 and 2000 keys alive: %v", name, rows)
		}
	}
}

// W-65, D-W11. Nothing is left of a key when its last window is gone, and nothing but the time that was reached of a
// partition.
func TestNothingIsLeftOfAKeyWithoutWindows(t *testing.T) {
	list := window.Combine2(window.Collect[int](), window.Count[int](), func(list []int, n int64) int { return len(list) })
	for _, c := range []struct {
		d    window.Definition
		want int
	}{
		{window.TumblingCount(2), 1},                                           // the definition
		{window.HoppingCount(2, 2), 1},                                         //
		{window.Tumbling(10 * time.Millisecond).CloseByPartition(), 1 + 1 + 3}, // and the watermark, and the window of z
		{window.Session(10 * time.Millisecond).CloseByPartition(), 1 + 1 + 3},
		{window.Sliding(10 * time.Millisecond).CloseByPartition(), 1 + 1 + 3},
	} {
		backend := state.NewMemory()
		x := open(t, backend, c.d, list, operator.Emission[string, int, int]{})
		for round := range 3 {
			for _, key := range []string{"a", "", "b"} {
				x.send(key, int64(1000*round+1), 1)
				x.checkpoint()
				x.send(key, int64(1000*round+2), 2)
				x.checkpoint()
			}
		}
		if !c.d.Settings().Kind.ByCount() {
			x.send("z", 9000, 1)
		}
		x.checkpoint()
		rows := 0
		if err := backend.Scan([]byte{0}, nil, func(key, _ []byte) (bool, error) { rows++; return true, nil }); err != nil {
			t.Fatal(err)
		}
		if rows != c.want {
			t.Errorf("%v: %d rows are left, want %d", c.d, rows, c.want)
		}
	}
}

// Triggers get the record that they decide about, and their errors are those of the record.
func TestTriggersSeeTheRecord(t *testing.T) {
	type emission = operator.Emission[string, int, int]
	var seen []string
	see := func(name string, soFar int, r *weir.Record[string, int]) {
		seen = append(seen, fmt.Sprintf("%s: %d so far, %s %d at %d, %d headers", name, soFar, r.Key, r.Value, r.Millis, len(r.Headers)))
	}
	broken := errors.New("broken")
	x := open(t, state.NewMemory(), window.Tumbling(100*time.Millisecond), window.Sum(itself), emission{
		When: func(_ context.Context, soFar int, r *weir.Record[string, int]) (bool, error) {
			see("when", soFar, r)
			return false, nil
		},
		CloseBefore: func(_ context.Context, soFar int, r *weir.Record[string, int]) (bool, error) {
			see("before", soFar, r)
			if r.Millis == 9 {
				return false, broken
			}
			return r.Key == "k" && r.Millis == 7, nil
		},
		CloseAfter: func(_ context.Context, soFar int, r *weir.Record[string, int]) (bool, error) {
			see("after", soFar, r)
			return r.Headers[0].Key == "h" && r.Millis == 8, nil
		},
	})
	x.send("k", 5, 1)
	x.send("k", 7, 2)
	x.send("k", 8, 4)
	x.send("k", 6, 8)
	r := weir.Record[string, int]{Key: "k", Value: 16, Millis: 9, Origin: &x.env.Origin}
	if err := x.in.Receive(&r); !errors.Is(err, broken) {
		t.Errorf("the error of the trigger: got %v", err)
	}
	x.send("k", 100, 32)
	want := []string{
		"when: 1 so far, k 1 at 5, 1 headers", "after: 1 so far, k 1 at 5, 1 headers",
		"before: 1 so far, k 2 at 7, 1 headers", "when: 2 so far, k 2 at 7, 1 headers", "after: 2 so far, k 2 at 7, 1 headers",
		"before: 2 so far, k 4 at 8, 1 headers", "when: 6 so far, k 4 at 8, 1 headers", "after: 6 so far, k 4 at 8, 1 headers",
		"when: 8 so far, k 8 at 6, 1 headers", "after: 8 so far, k 8 at 6, 1 headers",
		"before: 8 so far, k 16 at 9, 0 headers",
		"when: 32 so far, k 32 at 100, 1 headers", "after: 32 so far, k 32 at 100, 1 headers",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	var results []int
	for _, r := range x.out.records {
		results = append(results, r.Value.Value)
	}
	if diff := cmp.Diff([]int{1, 6, 8}, results); diff != "" { // 16 was not added
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

// A record that ends in a panic leaves no result of its own behind, for the next record to emit.
func TestResultsOfARecordThatPanicsAreNotEmittedLater(t *testing.T) {
	x := open(t, state.NewMemory(), window.Hopping(20*time.Millisecond, 10*time.Millisecond), window.Sum(itself), operator.Emission[string, int, int]{
		CloseAfter: func(_ context.Context, soFar int, _ *weir.Record[string, int]) (bool, error) {
			if soFar == 3 {
				panic("three")
			}
			return soFar == 7, nil
		},
	})
	x.send("k", 5, 4) // only in [0,20)
	func() {
		defer func() { _ = recover() }()
		x.send("k", 15, 3) // closes [0,20), and panics in [10,30)
	}()
	x.send("k", 16, 1)
	if len(x.out.records) > 0 {
		t.Errorf("results %v, want none", x.out.records)
	}
}
