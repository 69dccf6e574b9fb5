package sim_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit/sim"
	"github.com/weirstreams/weir/window"
)

// The topologies of this file have windows behind windows, which close by the clock. The check computes the last results from
// the input alone. No record is late by its own time: only time that goes on too far, because of the clock or of the records of a
// task that is faster than another one, could make one late.
func init() {
	topologies = append(
		topologies,
		liveTopology("chain of two windows", tumblingStage(2*time.Second), tumblingStage(6*time.Second)),
		liveTopology("chain of three windows", tumblingStage(time.Second), tumblingStage(3*time.Second), tumblingStage(7*time.Second)),
		liveTopology("sessions before windows", sessionStage(1500*time.Millisecond), tumblingStage(5*time.Second)),
		liveTopology("windows before sessions, in one task", inOneTask(tumblingStage(500*time.Millisecond)), inOneTask(sessionStage(time.Second)), tumblingStage(8*time.Second)),
		liveTopology("results held back before windows", suppressedStage(2*time.Second), maxStage(9*time.Second)),
		liveTopology("results held back before windows of all keys", suppressedStage(500*time.Millisecond), ofOneKey(maxStage(1*time.Second)), ofOneKey(maxStage(8*time.Second))),
		liveTopology("windows of all keys behind windows", tumblingStage(2*time.Second), ofOneKey(tumblingStage(6*time.Second))),
		liveTopology("windows of few keys behind sessions", sessionStage(1500*time.Millisecond), ofFewKeys(tumblingStage(time.Second)), ofOneKey(tumblingStage(5*time.Second))),
		liveTopology("sessions of all keys behind windows", tumblingStage(time.Second), ofOneKey(sessionStage(2*time.Second)), tumblingStage(7*time.Second)),
	)
}

// stage is a window, and what it makes of the results of the stage before, which are of one key and in the order of time.
type stage struct {
	build func(s stream.Stream[string, int]) stream.Stream[string, int]
	fold  func(results []liveResult) []liveResult
	// inOneTask says that no topic lies between this stage and the one before.
	inOneTask bool
	// regroup returns the key that the results of a key have in this stage. If it is nil, they keep it.
	regroup func(key string) string
}

type liveResult struct {
	at    int64
	value int
}

func inOneTask(s stage) stage {
	s.inOneTask = true
	return s
}

// ofOneKey is a stage in which all results have one key.
func ofOneKey(s stage) stage {
	s.regroup = func(string) string { return "all" }
	return s
}

// ofFewKeys is a stage in which the results have two keys.
func ofFewKeys(s stage) stage {
	s.regroup = func(key string) string { return fmt.Sprint("half ", key[len(key)-1]%2) }
	return s
}

func valueOf(r window.Result[int]) int { return r.Value }
func self(n int) int                   { return n }
func add(a, b int) int                 { return a + b }

func tumblingStage(size time.Duration) stage {
	return stage{
		build: func(s stream.Stream[string, int]) stream.Stream[string, int] {
			return s.Window(window.Tumbling(size)).Aggregate(window.Sum(self)).Final().Map(valueOf)
		},
		fold: tumblingFold(size, add),
	}
}

func maxStage(size time.Duration) stage {
	return stage{
		build: func(s stream.Stream[string, int]) stream.Stream[string, int] {
			return s.Window(window.Tumbling(size)).Aggregate(window.Max(self)).Final().Map(valueOf)
		},
		fold: tumblingFold(size, func(a, b int) int { return max(a, b) }),
	}
}

// suppressedStage emits sums so far. Of those of one window the last is the greatest.
func suppressedStage(size time.Duration) stage {
	return stage{
		build: func(s stream.Stream[string, int]) stream.Stream[string, int] {
			return s.Window(window.Tumbling(size)).Aggregate(window.Sum(self)).
				Suppress(window.Suppression{Interval: time.Hour, MaxResults: 1000}).Map(valueOf)
		},
		fold: tumblingFold(size, add),
	}
}

func tumblingFold(size time.Duration, merge func(a, b int) int) func([]liveResult) []liveResult {
	return func(results []liveResult) (windows []liveResult) {
		for _, r := range results {
			start := r.at - r.at%size.Milliseconds()
			if n := len(windows); n > 0 && windows[n-1].at == start {
				windows[n-1].value = merge(windows[n-1].value, r.value)
				continue
			}
			windows = append(windows, liveResult{start, r.value})
		}
		return windows
	}
}

func sessionStage(gap time.Duration) stage {
	return stage{
		build: func(s stream.Stream[string, int]) stream.Stream[string, int] {
			return s.Window(window.Session(gap)).Aggregate(window.Sum(self)).Final().Map(valueOf)
		},
		fold: func(results []liveResult) (sessions []liveResult) {
			var last int64
			for _, r := range results {
				if n := len(sessions); n > 0 && r.at-last <= gap.Milliseconds() {
					sessions[n-1].value += r.value
				} else {
					sessions = append(sessions, r)
				}
				last = r.at
			}
			return sessions
		},
	}
}

// counts has the results of the last stage: the key, the start of the window and the value.
var counts = stream.NewTopic("counts", codec.String(), codec.String())

func liveTopology(name string, stages ...stage) topologyOf {
	return topologyOf{
		name: name, inputs: []string{"orders"}, live: true,
		build: func(faulty func() error) *stream.Topology {
			t := stream.NewTopology()
			s := t.From(orders).Map(func(order) int { return check(faulty, 1) })
			for i, stage := range stages {
				switch regroup := stage.regroup; {
				case i == 0 || stage.inOneTask:
				case regroup == nil:
					s = s.GroupByKey(fmt.Sprint("stage_", i))
				default:
					s = s.GroupByRecord(fmt.Sprint("stage_", i), func(_ context.Context, r weir.Record[string, int]) (string, error) {
						return regroup(r.Key), nil
					})
				}
				s = stage.build(s)
			}
			s.MapRecord(func(_ context.Context, r weir.Record[string, int]) (string, error) {
				return fmt.Sprintf("%d %d", r.Millis, r.Value), nil
			}).To(counts)
			return t
		},
		check: func(o sim.Outcome) error { return checkLive(o, stages, func(string) bool { return true }) },
	}
}

// checkLive compares the results of the last stage with what the input comes to, of the keys that are asked for. At least once,
// results may be there again, and count what was there again; all have to be there.
func checkLive(o sim.Outcome, stages []stage, asked func(key string) bool) error {
	input := map[string][]liveResult{}
	for _, partition := range o.Read("orders") {
		for _, r := range partition {
			if key := string(r.Key); asked(key) {
				input[key] = append(input[key], liveResult{r.Millis, 1})
			}
		}
	}
	got, err := liveResults(o)
	if err != nil {
		return err
	}
	for _, stage := range stages {
		grouped := map[string][]liveResult{}
		for key, results := range input {
			if stage.regroup != nil {
				key = stage.regroup(key)
			}
			grouped[key] = append(grouped[key], results...)
		}
		for key, results := range grouped {
			slices.SortStableFunc(results, func(a, b liveResult) int { return cmp.Compare(a.at, b.at) })
			grouped[key] = stage.fold(results)
		}
		input = grouped
	}
	if o.ExactlyOnce && !slices.ContainsFunc(stages, func(s stage) bool { return s.regroup != nil }) {
		if err := o.Promises(); err != nil {
			return err
		}
	}
	for key, results := range input {
		for _, want := range results {
			values := got[key][want.at]
			if o.ExactlyOnce && (len(values) != 1 || values[0] != want.value) || len(values) == 0 || slices.Max(values) < want.value {
				return fmt.Errorf("the results of %s at %d are %v, want %d", key, want.at, values, want.value)
			}
			delete(got[key], want.at)
		}
		for at, values := range got[key] {
			return fmt.Errorf("results of %s at %d: %v, want none", key, at, values)
		}
	}
	return nil
}

// liveResults returns the results of the last stage, by key and by the start of their window.
func liveResults(o sim.Outcome) (map[string]map[int64][]int, error) {
	got := map[string]map[int64][]int{}
	for _, partition := range o.Read("counts") {
		for _, r := range partition {
			var at int64
			var value int
			if _, err := fmt.Sscanf(string(r.Value), "%d %d", &at, &value); err != nil {
				return nil, err
			}
			key := string(r.Key)
			if got[key] == nil {
				got[key] = map[int64][]int{}
			}
			got[key][at] = append(got[key][at], value)
		}
	}
	return got, nil
}
