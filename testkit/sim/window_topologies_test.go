package sim_test

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// The topologies of this file have windows of every kind, closed and emitted in every way.
func init() {
	for _, t := range []struct {
		name  string
		build func(faulty func() error) *stream.Topology
	}{
		{"tumbling by partition", tumblingByPartition},
		{"hopping", hopping},
		{"sliding", sliding},
		{"sliding by partition", slidingByPartition},
		{"sessions", sessions},
		{"sessions by partition", sessionsByPartition},
		{"count windows", countWindows},
		{"early results", earlyResults},
		{"closed by triggers", closedByTriggers},
	} {
		topologies = append(topologies, topologyOf{name: t.name, build: t.build, inputs: []string{"orders"}})
	}
	topologies = append(topologies, topologyOf{
		name: "suppressed", build: suppressed(true), inputs: []string{"orders"},
		reference: suppressed(false), suppressed: []string{"texts", "more_texts", "other_texts"},
	})
}

var (
	texts      = stream.NewTopic("texts", codec.String(), codec.String())
	moreTexts  = stream.NewTopic("more_texts", codec.String(), codec.String())
	otherTexts = stream.NewTopic("other_texts", codec.String(), codec.String())
)

const ms = time.Millisecond

func amount(o order) int { return o.Amount }

// textOf says all that there is to a result, and which input record it comes of: no two lines of one source are equal.
func textOf[R any](_ context.Context, r weir.Record[string, window.Result[R]]) (string, error) {
	return fmt.Sprintf("[%d,%d]=%v %s/%d@%d", r.Value.StartMillis, r.Value.EndMillis, r.Value.Value, r.Origin.Topic, r.Origin.Partition, r.Origin.Offset), nil
}

// listAndSum keeps values one by one and has an accumulator, both.
func listAndSum(faulty func() error) window.Aggregator[order, window.Pair[struct{}, window.SumState[int]], string] {
	return window.Combine2(
		window.CollectOf(func(o order) int { return o.ID }),
		window.Sum(func(o order) int { return check(faulty, o.Amount) }),
		func(ids []int, sum int) string { return fmt.Sprint(ids, sum) },
	)
}

// shops are the orders by their shop, so that windows are behind a repartition topic.
func shops(t *stream.Topology) stream.Stream[string, order] {
	return t.From(orders).GroupBy("shop", func(o order) string { return o.Shop })
}

func tumblingByPartition(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := shops(t)
	in.Window(window.Tumbling(10 * ms).CloseByPartition()).Aggregate(listAndSum(faulty)).Final().MapRecord(textOf).To(texts)
	in.Window(window.Tumbling(7 * ms).Grace(4 * ms).CloseByPartition()).Aggregate(window.Mean(amount)).Current().MapRecord(textOf).To(moreTexts)
	return t
}

func hopping(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := shops(t)
	in.Window(window.Hopping(10*ms, 4*ms).Grace(3 * ms)).Aggregate(listAndSum(faulty)).Final().MapRecord(textOf).To(texts)
	in.Window(window.Hopping(12*ms, 5*ms).CloseByPartition()).Aggregate(listAndSum(faulty)).Final().MapRecord(textOf).To(moreTexts)
	in.Window(window.Hopping(9*ms, 3*ms)).Aggregate(window.Latest(amount)).Current().MapRecord(textOf).To(otherTexts)
	return t
}

func sliding(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := shops(t)
	in.Window(window.Sliding(8 * ms).Grace(3 * ms)).Aggregate(listAndSum(faulty)).Final().MapRecord(textOf).To(texts)
	in.Window(window.Sliding(5 * ms)).Aggregate(window.Max(amount)).Current().MapRecord(textOf).To(moreTexts)
	return t
}

func slidingByPartition(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := shops(t)
	in.Window(window.Sliding(8 * ms).Grace(3 * ms).CloseByPartition()).Aggregate(listAndSum(faulty)).Final().MapRecord(textOf).To(texts)
	in.Window(window.Sliding(5 * ms).CloseByPartition()).Aggregate(window.Last(amount)).Current().MapRecord(textOf).To(moreTexts)
	return t
}

func sessions(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := shops(t)
	in.Window(window.Session(4 * ms).Grace(5 * ms)).Aggregate(listAndSum(faulty)).Final().MapRecord(textOf).To(texts)
	in.Window(window.Session(6 * ms)).Aggregate(window.First(amount)).Current().MapRecord(textOf).To(moreTexts)
	return t
}

func sessionsByPartition(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := shops(t)
	in.Window(window.Session(4 * ms).CloseByPartition()).Aggregate(listAndSum(faulty)).Final().MapRecord(textOf).To(texts)
	in.Window(window.Session(2 * ms).Grace(9 * ms).CloseByPartition()).Aggregate(rounded(window.StdDev(amount))).Final().MapRecord(textOf).To(moreTexts)
	return t
}

// rounded writes results to six places, which do not depend on the order of additions.
func rounded[V, A any](a window.Aggregator[V, A, float64]) window.Aggregator[V, window.Pair[A, int64], string] {
	return window.Combine2(a, window.Count[V](), func(n float64, _ int64) string { return fmt.Sprintf("%.6f", n) })
}

func countWindows(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := shops(t)
	in.Window(window.TumblingCount(4)).Aggregate(listAndSum(faulty)).Final().MapRecord(textOf).To(texts)
	in.Window(window.HoppingCount(5, 2)).Aggregate(listAndSum(faulty)).Final().MapRecord(textOf).To(moreTexts)
	in.Window(window.SlidingCount(3)).Aggregate(window.Last(amount)).Current().MapRecord(textOf).To(otherTexts)
	return t
}

func earlyResults(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := shops(t)
	in.Window(window.Tumbling(20 * ms).Grace(3 * ms)).Aggregate(listAndSum(faulty)).EveryRecords(3).Final().MapRecord(textOf).To(texts)
	in.Window(window.Hopping(20*ms, 8*ms)).Aggregate(window.Sum(amount)).EveryTime(5 * ms).Final().MapRecord(textOf).To(moreTexts)
	in.Window(window.Session(6 * ms).CloseByPartition()).Aggregate(window.Sum(amount)).
		EmitWhen(func(sum int) bool { return sum%3 == 0 }).Final().MapRecord(textOf).To(otherTexts)
	return t
}

func closedByTriggers(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := shops(t)
	in.Window(window.Tumbling(30 * ms)).Aggregate(listAndSum(faulty)).
		CloseAfter(func(s string) bool { return len(s) > 12 }).Final().MapRecord(textOf).To(texts)
	in.Window(window.Hopping(25*ms, 10*ms).CloseByPartition()).Aggregate(window.Sum(amount)).
		CloseBefore(func(sum int, next order) bool { return sum+next.Amount > 150 }).Final().MapRecord(textOf).To(moreTexts)
	return t
}

// suppressed holds results back, or does not.
func suppressed(holds bool) func(faulty func() error) *stream.Topology {
	emit := func(a stream.Aggregated[string, order, string], s window.Suppression) stream.Stream[string, window.Result[string]] {
		if !holds {
			return a.Current()
		}
		return a.Suppress(s)
	}
	return func(faulty func() error) *stream.Topology {
		t := stream.NewTopology()
		in := shops(t)
		emit(in.Window(window.Tumbling(20*ms).Grace(5*ms)).Aggregate(listAndSum(faulty)), window.Suppression{Interval: 10 * ms}).
			MapRecord(textOf).To(texts)
		emit(in.Window(window.Hopping(20*ms, 8*ms).CloseByPartition()).Aggregate(listAndSum(faulty)), window.Suppression{Interval: 100 * ms, MaxResults: 2}).
			MapRecord(textOf).To(moreTexts)
		// The same window, for another topic, behind another repartition.
		emit(in.GroupBy("parity", func(o order) string { return []string{"even", "odd"}[o.Amount&1] }).
			Window(window.Tumbling(15*ms)).Aggregate(listAndSum(faulty)), window.Suppression{Interval: 3 * ms}).
			MapRecord(textOf).To(otherTexts)
		return t
	}
}
