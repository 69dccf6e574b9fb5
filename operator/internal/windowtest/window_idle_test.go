package windowtest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

var (
	idleInput  = stream.NewTopic("in", codec.String(), codec.Int())
	idleOutput = stream.NewTopic("out", codec.String(), codec.String())
)

func idleTopology(d window.Definition) *stream.Topology {
	t := stream.NewTopology()
	t.From(idleInput).Window(d).Aggregate(window.Sum(func(n int) int { return n })).Final().
		Map(func(r window.Result[int]) string { return fmt.Sprintf("%d-%d=%d", r.StartMillis, r.EndMillis, r.Value) }).
		To(idleOutput)
	return t
}

// Windows of every kind close while nothing comes, also after a restart, and what a replay gives in the end is what the
// live run gave. The records are written at their times, and arrive within the timeout.
func TestIdleWindowsCloseAsTheyDoInAReplay(t *testing.T) {
	for name, d := range map[string]window.Definition{
		"tumbling":              window.Tumbling(10 * time.Second),
		"tumbling by partition": window.Tumbling(10 * time.Second).CloseByPartition(),
		"hopping":               window.Hopping(10*time.Second, 4*time.Second).Grace(time.Second),
		"sliding":               window.Sliding(10 * time.Second),
		"session":               window.Session(5 * time.Second),
		"session by partition":  window.Session(5 * time.Second).CloseByPartition().Grace(3 * time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			gaps := []time.Duration{1, 3, 9, 120, 2, 2, 30, 1, 60, 400}
			run := func(live bool, loss testkit.Loss) (results []string, beforeLast int) {
				driver := testkit.New(t, idleTopology(d), testkit.Config{IdleTimeout: 20 * time.Second})
				out := driver.Output(idleOutput)
				at := driver.Now()
				for i, gap := range gaps {
					at = at.Add(gap * time.Second)
					if live {
						for range gap {
							driver.Advance(time.Second)
						}
						driver.Checkpoint()
						driver.Crash(loss)
					} else if i == 0 {
						driver.Advance(24 * time.Hour) // the replay runs later
					}
					if i == len(gaps)-1 {
						beforeLast = len(out.Read())
						out = driver.Output(idleOutput)
					}
					for _, key := range []string{"a", "b"} {
						driver.Input(idleInput).Send(key, i+1, at)
					}
				}
				driver.Advance(time.Hour)
				driver.Advance(time.Hour)
				for _, r := range out.Read() {
					results = append(results, r.Key+" "+r.Value)
				}
				if late := driver.Tasks()[0].Late; late != 0 {
					t.Errorf("%d late", late)
				}
				return sortedByKey(results), beforeLast
			}
			replayed, _ := run(false, testkit.KeepState)
			for _, loss := range []testkit.Loss{testkit.KeepState, testkit.LoseState} {
				live, beforeLast := run(true, loss)
				if diff := cmp.Diff(replayed, live); diff != "" {
					t.Errorf("results (-replayed +live):\n%s", diff)
				}
				if beforeLast < len(live)-2*4 {
					t.Errorf("%d of %d results while nothing came", beforeLast, len(live))
				}
			}
		})
	}
}

// sortedByKey brings the results of each key together, in their order.
func sortedByKey(results []string) []string {
	var a, b []string
	for _, r := range results {
		if strings.HasPrefix(r, "a ") {
			a = append(a, r)
		} else {
			b = append(b, r)
		}
	}
	return append(a, b...)
}

// What comes for a window that idleness has closed is late, and does not open it again.
func TestARecordForAWindowThatIdlenessClosedIsLate(t *testing.T) {
	driver := testkit.New(t, idleTopology(window.Tumbling(10*time.Second)), testkit.Config{IdleTimeout: 20 * time.Second})
	out := driver.Output(idleOutput)
	at := driver.Now()
	driver.Input(idleInput).Send("a", 1, at)
	driver.Advance(19 * time.Second)
	if results := out.Read(); len(results) != 0 {
		t.Errorf("results before the timeout: %v", results)
	}
	driver.Advance(31 * time.Second)
	if results := out.Read(); len(results) != 1 {
		t.Errorf("results after the timeout: %v", results)
	}
	driver.Checkpoint()
	driver.Crash(testkit.LoseState)
	driver.Input(idleInput).Send("a", 2, at.Add(time.Second))
	if late := driver.Tasks()[0].Late; late != 1 {
		t.Errorf("%d late, want 1", late)
	}
}

// W-34. Without a timeout nothing closes.
func TestIdleWindowsStayOpenByDefault(t *testing.T) {
	driver := testkit.New(t, idleTopology(window.Tumbling(10*time.Second)), testkit.Config{})
	driver.Input(idleInput).Send("a", 1, driver.Now())
	driver.Advance(time.Hour)
	if results := driver.Output(idleOutput).Read(); len(results) != 0 {
		t.Errorf("results: %v", results)
	}
}

func TestSuppressKeepsTheLastResult(t *testing.T) {
	topology := func(s window.Suppression) *stream.Topology {
		t := stream.NewTopology()
		t.From(idleInput).Window(window.Tumbling(time.Second)).Aggregate(window.Sum(func(n int) int { return n })).
			Suppress(s).
			Map(func(r window.Result[int]) string { return fmt.Sprint(r.Value) }).To(idleOutput)
		return t
	}
	driver := testkit.New(t, topology(window.Suppression{Interval: 100 * time.Millisecond, MaxResults: 2}), testkit.Config{})
	in, out := driver.Input(idleInput), driver.Output(idleOutput)
	send := func(key string, millis int64, want ...string) {
		t.Helper()
		in.Send(key, 1, time.UnixMilli(millis))
		out.ExpectValues(want...)
	}
	send("a", 0)
	send("a", 50)
	send("b", 60)
	send("a", 99)
	send("a", 100, "3") // held back since 0
	send("c", 101, "1") // full: b, the oldest
	driver.Checkpoint()
	out.ExpectValues("4", "1")
	driver.Crash(testkit.LoseState)
	send("a", 102)
	driver.Checkpoint()
	out.ExpectValues("5")

	failing := testkit.New(t, topology(window.Suppression{Interval: time.Second, MaxResults: 1, WhenFull: window.FullFails}), testkit.Config{})
	in = failing.Input(idleInput)
	in.Send("a", 1, time.UnixMilli(0))
	record := testkit.Record[string, int]{Key: "b", Value: 1, Time: time.UnixMilli(0)}
	if err := in.TrySendRecords(record); err == nil || !strings.Contains(err.Error(), "held back") {
		t.Errorf("error %v", err)
	}
}

// W-35. OnLate is told everything about a record, and decides about the log. A clock that is wrong closes nothing.
func TestLateRecordsAreTold(t *testing.T) {
	for _, d := range []window.Definition{window.Tumbling(10 * time.Second), window.Tumbling(10 * time.Second).CloseByPartition()} {
		var got []window.Late
		topology := idleTopology(d.OnLate(func(l window.Late) bool {
			got = append(got, l)
			return false
		}))
		driver := testkit.New(t, topology, testkit.Config{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
		now := driver.Now()
		in := driver.Input(idleInput)
		in.Send("a", 1, now.Add(59*time.Minute))
		in.Send("a", 2, now.Add(61*time.Minute))
		in.Send("a", 3, now)
		in.Send("a", 4, time.UnixMilli(-1))
		in.Send("a", 5, now.Add(59*time.Minute))
		at := now.UnixMilli()
		want := []window.Late{
			{Reason: window.InFuture, Value: 2, Millis: at + 61*60_000, StartMillis: at + 61*60_000, EndMillis: at + 61*60_000 + 10_000, Offset: 1},
			{Value: 3, Millis: at, By: 59 * time.Minute, StartMillis: at, EndMillis: at + 10_000, Offset: 2},
			{Reason: window.BeforeEpoch, Value: 4, Millis: -1, StartMillis: -10_000, EndMillis: 0, Offset: 3},
		}
		for i := range want {
			want[i].Key, want[i].Store, want[i].Topic = "a", "tumbling_window_10000", "in"
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("late (-want +got):\n%s", diff)
		}
	}
}
