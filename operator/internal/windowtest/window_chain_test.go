package windowtest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// chain counts in windows, sends the results through a repartition topic, adds them up in windows again, and so on.
func chain(depth int, size time.Duration) *stream.Topology {
	t := stream.NewTopology()
	sums := t.From(idleInput)
	for i := range depth {
		if i > 0 {
			sums = sums.GroupByKey(fmt.Sprintf("stage_%d", i))
		}
		sums = sums.Window(window.Tumbling(size)).Aggregate(window.Sum(func(n int) int { return n })).Final().
			Map(func(r window.Result[int]) int { return r.Value })
	}
	sums.To(chainOutput)
	return t
}

var chainOutput = stream.NewTopic("sums", codec.String(), codec.Int())

// Nothing is lost between windows behind each other, however old the records are: time does not go on in a stage before the
// stage in front of it has emitted what it has.
func TestIdleTimeLosesNothingBetweenWindows(t *testing.T) {
	for depth := 2; depth <= 4; depth++ {
		for _, partitions := range []int32{1, 3} {
			for _, exactlyOnce := range []bool{false, true} {
				for _, age := range []time.Duration{0, time.Minute, 3 * time.Hour} {
					t.Run(fmt.Sprintf("depth %d, %d partitions, exactly once %v, %v old", depth, partitions, exactlyOnce, age), func(t *testing.T) {
						const timeout = 10 * time.Second
						d := testkit.New(t, chain(depth, 5*time.Minute), testkit.Config{
							IdleTimeout: timeout, ExactlyOnce: exactlyOnce, Partitions: partitions, Workers: 2,
						})
						d.Advance(time.Minute) // every stage has said that it is silent
						in, out := d.Input(idleInput), d.Output(chainOutput)
						begin := d.Now().Add(-age)
						for i := range 30 { // two windows of 15 keys
							in.Send(fmt.Sprint("key ", i%15), 1, begin.Add(time.Duration(i/15)*5*time.Minute))
							d.Advance(100 * time.Millisecond)
						}
						for range 20*60 + depth*60 {
							d.Advance(time.Second)
						}
						sum := 0
						for _, n := range out.Values() {
							sum += n
						}
						var late int64
						for _, task := range d.Tasks() {
							late += task.Late
						}
						if sum != 30 || late != 0 {
							t.Errorf("%d of 30 records are counted in the end, %d are late", sum, late)
						}
					})
				}
			}
		}
	}
}

// A replay gives what the live run gave.
func TestAReplayOfAChainGivesTheSame(t *testing.T) {
	run := func(live bool) (results []testkit.Record[string, int]) {
		d := testkit.New(t, chain(3, 10*time.Second), testkit.Config{IdleTimeout: 20 * time.Second, Partitions: 2})
		in, out := d.Input(idleInput), d.Output(chainOutput)
		at := d.Now()
		for i, gap := range []time.Duration{1, 3, 9, 120, 2, 2, 30, 1, 60, 400} {
			at = at.Add(gap * time.Second)
			if live {
				for range gap {
					d.Advance(time.Second)
				}
				d.Checkpoint()
				d.Crash(testkit.Loss(i%2 == 0))
			} else if i == 0 {
				d.Advance(24 * time.Hour)
			}
			for _, key := range []string{"a", "b", "c"} {
				in.Send(key, i+1, at)
			}
		}
		for range 120 {
			d.Advance(10 * time.Second)
		}
		return out.Read()
	}
	byKey := cmp.Transformer("byKey", func(results []testkit.Record[string, int]) map[string][]string {
		of := map[string][]string{}
		for _, r := range results {
			of[r.Key] = append(of[r.Key], fmt.Sprintf("%v %d", r.Time, r.Value))
		}
		return of
	})
	live, replayed := run(true), run(false)
	if diff := cmp.Diff(replayed, live, byKey); diff != "" {
		t.Errorf("results (-replayed +live):\n%s", diff)
	}
	sum := 0
	for _, r := range live {
		sum += r.Value
	}
	if want := 3 * 55; sum != want {
		t.Errorf("the results add up to %d, want %d", sum, want)
	}
}

// The task that reads such a topic promises no time of the clock to the tasks behind a group of it either: a long session has the time of its begin.
func TestATopicBetweenWindowsPromisesNoTimeBehindAGroup(t *testing.T) {
	t.Parallel()
	between := stream.NewTopic("between", codec.String(), codec.Int())
	topology := stream.NewTopology()
	add := window.Sum(func(n int) int { return n })
	topology.From(idleInput).Window(window.Session(10 * time.Minute)).Aggregate(add).Final().Map(func(r window.Result[int]) int { return r.Value }).To(between)
	topology.From(between).GroupBy("all", func(int) string { return "all" }).Window(window.Tumbling(time.Hour)).Aggregate(add).Final().
		Map(func(r window.Result[int]) int { return r.Value }).To(chainOutput)
	d := testkit.New(t, topology, testkit.Config{IdleTimeout: 10 * time.Second})
	in := d.Input(idleInput)
	pass := func(minutes int) {
		for range minutes * 6 {
			d.Advance(10 * time.Second)
		}
	}
	in.Send("short", 1, d.Now())
	for range 15 { // 75 minutes, and the window ends after 60
		in.Send("long", 1, d.Now())
		pass(5)
	}
	pass(30)
	in.Send("last", 1, d.Now())
	pass(30)
	in.Send("last", 1, d.Now())
	pass(30)
	if values := d.Output(chainOutput).Values(); len(values) == 0 || values[0] != 16 {
		t.Errorf("windows have %v, want 16 in the first", values)
	}
	for _, task := range d.Tasks() {
		if task.Late != 0 {
			t.Errorf("%d results are late in %s", task.Late, task.Name)
		}
	}
}

// A topic that the topology writes and reads again carries no watermarks: there time does not go on without records, so that no
// result is late. A record closes the windows.
func TestATopicBetweenWindowsMakesNothingLate(t *testing.T) {
	between := stream.NewTopic("between", codec.String(), codec.Int())
	for _, exactlyOnce := range []bool{false, true} {
		topology := stream.NewTopology()
		sum := func(s stream.Stream[string, int]) stream.Stream[string, int] {
			return s.Window(window.Tumbling(5 * time.Minute)).Aggregate(window.Sum(func(n int) int { return n })).Final().
				Map(func(r window.Result[int]) int { return r.Value })
		}
		sum(topology.From(idleInput)).To(between)
		sum(topology.From(between)).To(chainOutput)
		d := testkit.New(t, topology, testkit.Config{IdleTimeout: 10 * time.Second, ExactlyOnce: exactlyOnce})
		in, out := d.Input(idleInput), d.Output(chainOutput)
		begin := d.Now().Add(-3 * time.Hour)
		for i := range 30 {
			in.Send("k", 1, begin.Add(time.Duration(i)*6*time.Minute))
			d.Advance(100 * time.Millisecond)
		}
		for range 20 * 60 {
			d.Advance(time.Second)
		}
		in.Send("k", 1, d.Now())
		for range 20 * 60 {
			d.Advance(time.Second)
		}
		got := 0
		for _, n := range out.Values() {
			got += n
		}
		for _, task := range d.Tasks() {
			if task.Late != 0 {
				t.Errorf("exactly once %v: %d results are late in %s", exactlyOnce, task.Late, task.Name)
			}
		}
		if got < 29 {
			t.Errorf("exactly once %v: %d of 30 records are counted in the end", exactlyOnce, got)
		}
	}
}
