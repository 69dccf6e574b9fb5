package benchtest_test

import (
	"context"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// flight is a value of realistic size.
type flight struct {
	Date                string
	Delay, Distance     int
	Origin, Destination string
}

// lateness is what the chains turn a flight into.
type lateness struct {
	Origin string
	Delay  int
}

func isLate(f flight) bool         { return f.Delay > 15 }
func toLateness(f flight) lateness { return lateness{f.Origin, f.Delay} }
func origin(l lateness) string     { return l.Origin }
func delay(l lateness) int         { return l.Delay }
func toSeconds(l lateness) int     { return l.Delay * 60 }
func lateOrigin(_ context.Context, r *weir.Record[string, lateness]) (string, error) {
	return origin(r.Value), nil
}

const (
	benchRecords  = 4096
	benchAirports = 50
	benchSpan     = 10 * 60_000 // milliseconds from the first record to the last
)

// schedule returns records in the order of time, which run over some windows of a minute.
func schedule() []weir.Record[string, flight] {
	records := make([]weir.Record[string, flight], benchRecords)
	for i := range records {
		from := "A" + strconv.Itoa(i*7919%benchAirports)
		delay := 20 + i%90
		if i%4 == 0 {
			delay = 0
		}
		records[i] = weir.Record[string, flight]{
			Key:    from,
			Value:  flight{Date: "2008-01-03", Delay: delay, Distance: 300 + i%2000, Origin: from, Destination: "SFO"},
			Millis: int64(i) * benchSpan / benchRecords,
		}
	}
	return records
}

// lower builds the operators of what declare puts behind a source, as a task does, but with end in place of a sink.
func lower[W any](
	tb testing.TB, env *operator.Env,
	declare func(stream.Stream[string, flight]) stream.Stream[string, W], end operator.Receiver[string, W],
) operator.Receiver[string, flight] {
	tb.Helper()
	topology := stream.NewTopology()
	declare(topology.From(stream.NewTopic("in", codec.String(), codec.For[flight]()))).
		To(stream.NewTopic("out", codec.String(), codec.For[W]()))
	if err := topology.Validate(); err != nil {
		tb.Fatal(err)
	}
	nodes := topology.Graph().Nodes
	nodes[len(nodes)-1].Lower = func(*graph.Builder, *graph.Node) (any, error) { return end, nil }
	builder := &graph.Builder{Env: env, Topic: func(n *graph.Node) string { return n.Detail }}
	first, err := builder.Build(nodes[0])
	if err != nil {
		tb.Fatal(err)
	}
	return first.(operator.Receiver[string, flight])
}

// newEnv returns what the operators of a task share, with a database in memory.
func newEnv(tb testing.TB) *operator.Env {
	backend := state.NewMemory()
	return &operator.Env{
		Context: tb.Context(), Logger: slog.New(slog.DiscardHandler), Origin: weir.Origin{Topic: "in"},
		Space: func(name string) (state.Space, error) {
			return state.Space{Name: name, Backend: backend, Prefix: []byte(name), CacheBytes: 1 << 20}, nil
		},
		Output: func(string) (operator.Output, error) { return discardedOutput{}, nil },
		DynamicOutput: func(_ context.Context, _ int, topic string, _ operator.TopicTemplate) (string, operator.Output, error) {
			return topic, discardedOutput{}, nil
		},
	}
}

// discardedOutput is a topic that keeps nothing.
type discardedOutput struct{}

func (discardedOutput) Partitions() int32                  { return 4 }
func (discardedOutput) Append(int32, *broker.Record) error { return nil }

// filterMapMap is filter, map, map.
func filterMapMap(tb testing.TB, end operator.Receiver[string, int]) operator.Receiver[string, flight] {
	return lower(tb, newEnv(tb), func(s stream.Stream[string, flight]) stream.Stream[string, int] {
		return s.Filter(isLate).Map(toLateness).Map(toSeconds)
	}, end)
}

// filterMapGroupWindowSum is filter, map, group, window. Its group sets the key and no more: the topic that lies in
// between in a topology would be most of what is measured.
func filterMapGroupWindowSum(tb testing.TB, end operator.Receiver[string, window.Result[int]]) operator.Receiver[string, flight] {
	tb.Helper()
	env := newEnv(tb)
	sums, err := operator.NewWindow(env, 0, window.Tumbling(time.Minute), window.Sum(delay), operator.Emission[string, lateness, int]{}, codec.String(), end)
	if err != nil {
		tb.Fatal(err)
	}
	return lower(tb, env, func(s stream.Stream[string, flight]) stream.Stream[string, lateness] {
		return s.Filter(isLate).Map(toLateness)
	}, &operator.Rekey[string, lateness, string]{Env: env, F: lateOrigin, Next: sums})
}

// total is the end of a chain. It adds up what arrives: so the compiler cannot leave the work out, and the chains can be
// compared with the loops written by hand.
type total struct{ records, sum int }

func (t *total) add(n int) { t.records++; t.sum += n }

type totalOfInts struct{ total }

func (t *totalOfInts) Receive(r *weir.Record[string, int]) error {
	t.add(r.Value)
	return nil
}

type totalOfWindows struct{ total }

func (t *totalOfWindows) Receive(r *weir.Record[string, window.Result[int]]) error {
	t.add(r.Value.Value)
	return nil
}

// handWrittenMap is what filterMapMap does, without operators.
//
//go:noinline
func handWrittenMap(r *weir.Record[string, flight], end *total) {
	if isLate(r.Value) {
		end.add(toSeconds(toLateness(r.Value)))
	}
}

// openWindow is the only open window of a key: there is no grace.
type openWindow struct {
	start int64
	sum   int
}

// handWrittenSum is what filterMapGroupWindowSum does, for records in the order of time.
//
//go:noinline
func handWrittenSum(r *weir.Record[string, flight], open map[string]*openWindow, end *total) {
	if !isLate(r.Value) {
		return
	}
	l := toLateness(r.Value)
	start := r.Millis - r.Millis%time.Minute.Milliseconds()
	w := open[origin(l)]
	if w == nil {
		w = &openWindow{start: start}
		open[origin(l)] = w
	}
	if w.start != start {
		end.add(w.sum)
		*w = openWindow{start: start}
	}
	w.sum += delay(l)
}

// feed returns a function that hands the next record to process. When all had their turn, they come again, later.
func feed(process func(*weir.Record[string, flight])) func() {
	records := schedule()
	i := 0
	return func() {
		r := &records[i%benchRecords]
		i++
		process(r)
		r.Millis += benchSpan
	}
}

func receive(tb testing.TB, first operator.Receiver[string, flight]) func(*weir.Record[string, flight]) {
	return func(r *weir.Record[string, flight]) {
		if err := first.Receive(r); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestLoweredChainsAgreeWithHandWrittenLoops(t *testing.T) {
	var lowered totalOfInts
	var byHand total
	next := feed(receive(t, filterMapMap(t, &lowered)))
	nextByHand := feed(func(r *weir.Record[string, flight]) { handWrittenMap(r, &byHand) })
	for range 3 * benchRecords {
		next()
		nextByHand()
	}
	if lowered.total != byHand || byHand.records == 0 {
		t.Errorf("filter-map-map: %+v, by hand %+v", lowered.total, byHand)
	}
	var loweredSums totalOfWindows
	byHand = total{}
	open := map[string]*openWindow{}
	next = feed(receive(t, filterMapGroupWindowSum(t, &loweredSums)))
	nextByHand = feed(func(r *weir.Record[string, flight]) { handWrittenSum(r, open, &byHand) })
	for range 3 * benchRecords {
		next()
		nextByHand()
	}
	if loweredSums.total != byHand || byHand.records == 0 {
		t.Errorf("filter-map-group-window-sum: %+v, by hand %+v", loweredSums.total, byHand)
	}
}

func TestLoweredChainsDoNotAllocate(t *testing.T) {
	for name, first := range map[string]operator.Receiver[string, flight]{
		"filter-map-map":              filterMapMap(t, &totalOfInts{}),
		"filter-map-group-window-sum": filterMapGroupWindowSum(t, &totalOfWindows{}),
	} {
		next := feed(receive(t, first))
		round := func() {
			for range benchRecords {
				next()
			}
		}
		round() // each key is seen, and its state made
		if n := testing.AllocsPerRun(10, round); n != 0 {
			t.Errorf("%s: %v allocations for %d records", name, n, benchRecords)
		}
	}
}

// BenchmarkLoweredFilterMapMap is compared with BenchmarkHandWrittenFilterMapMap.
func BenchmarkLoweredFilterMapMap(b *testing.B) {
	benchmark(b, receive(b, filterMapMap(b, &totalOfInts{})), 3)
}

func BenchmarkHandWrittenFilterMapMap(b *testing.B) {
	var end total
	benchmark(b, func(r *weir.Record[string, flight]) { handWrittenMap(r, &end) }, 3)
}

// BenchmarkLoweredFilterMapGroupWindowSum is compared with BenchmarkHandWrittenFilterMapGroupWindowSum.
func BenchmarkLoweredFilterMapGroupWindowSum(b *testing.B) {
	benchmark(b, receive(b, filterMapGroupWindowSum(b, &totalOfWindows{})), 4)
}

func BenchmarkHandWrittenFilterMapGroupWindowSum(b *testing.B) {
	var end total
	open := map[string]*openWindow{}
	benchmark(b, func(r *weir.Record[string, flight]) { handWrittenSum(r, open, &end) }, 4)
}

// BenchmarkLoweredNothing is what the loop of the other benchmarks costs.
func BenchmarkLoweredNothing(b *testing.B) {
	benchmark(b, func(*weir.Record[string, flight]) {}, 1)
}

// benchmark measures one record at a time. One record in four ends at the filter.
func benchmark(b *testing.B, process func(*weir.Record[string, flight]), operators int) {
	next := feed(process)
	for range benchRecords {
		next()
	}
	b.ReportAllocs()
	for b.Loop() {
		next()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(operators), "ns/operator")
}
