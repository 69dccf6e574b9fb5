package testkit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

var (
	texts = stream.NewTopic("lines", codec.String(), codec.String())
	later = stream.NewTopic("later", codec.String(), codec.String())
	sizes = stream.NewTopic("sizes", codec.String(), codec.Int64())
)

// logTB keeps the log of a driver.
type logTB struct {
	testing.TB
	log strings.Builder
}

func (tb *logTB) Logf(format string, args ...any) { fmt.Fprintf(&tb.log, format+"\n", args...) }

func counting(from stream.Topic[string, string], d window.Definition) *stream.Topology {
	topology := stream.NewTopology()
	topology.From(from).Window(d).Aggregate(window.Count[string]()).Current().
		Map(func(r window.Result[int64]) int64 { return r.Value }).To(sizes)
	return topology
}

func TestTheClockFollowsTheRecords(t *testing.T) {
	tb := &logTB{TB: t}
	d := testkit.New(tb, counting(texts, window.Tumbling(time.Hour)), testkit.Config{})
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	d.Input(texts).Send("k", "a", now)
	d.Input(texts).Send("k", "b", now.Add(-time.Minute))
	if got := d.Now(); !got.Equal(now) {
		t.Errorf("the clock says %v, want %v", got, now)
	}
	counts := d.Output(sizes)
	counts.ExpectValues(1, 2)
	if err := d.Input(texts).TrySendBytes([]byte("k"), []byte("c"), now.Add(time.Minute)); err != nil {
		t.Error(err)
	}
	counts.ExpectValues(3)
	if got := d.Now(); !got.Equal(now.Add(time.Minute)) {
		t.Errorf("the clock says %v after a record of raw bytes", got)
	}
	if tb.log.Len() > 0 {
		t.Errorf("log: %s", tb.log.String())
	}
}

func TestTheClockFollowsTimesThatValuesHold(t *testing.T) {
	at := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	timed := texts.WithTimestamps(func(r weir.Record[string, string]) time.Time {
		at, err := time.Parse(time.RFC3339, r.Value)
		if err != nil {
			panic(err)
		}
		return at
	})
	d := testkit.New(t, counting(timed, window.Tumbling(time.Hour)), testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
	d.Input(timed).Send("k", at.Format(time.RFC3339), time.UnixMilli(0))
	d.Input(timed).Send("k", "not a time", time.UnixMilli(0))
	if got := d.Now(); !got.Equal(at) {
		t.Errorf("the clock says %v, want %v", got, at)
	}
	d.Output(sizes).ExpectValues(1)
}

func TestAClockThatTheTestSetsStays(t *testing.T) {
	tb := &logTB{TB: t}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := testkit.New(tb, counting(texts, window.Tumbling(time.Minute)), testkit.Config{Start: start})
	d.Input(texts).Send("key1", "value1", start.Add(2*time.Hour))
	if got := d.Now(); !got.Equal(start) {
		t.Errorf("the clock says %v, want %v", got, start)
	}
	counts := d.Output(sizes)
	counts.ExpectValues()
	for _, part := range []string{
		"record dropped", `topic "lines" partition 0 offset 0`, "key1", "value1", "2026-01-01T02:00:00Z", "MaxFutureSkew (1h0m0s)",
		"the clock (2026-01-01T00:00:00Z)", "window tumbling 1m0s (testkit/clock_test.go:",
	} {
		if !strings.Contains(tb.log.String(), part) {
			t.Errorf("%q is not in the log: %s", part, tb.log.String())
		}
	}
	d.Advance(time.Hour)
	d.Input(texts).Send("k", "a", start.Add(2*time.Hour))
	counts.ExpectValues(1)
}

func TestTimesOfABrokenClockAreNotFollowed(t *testing.T) {
	tb := &logTB{TB: t}
	d := testkit.New(tb, counting(texts, window.Tumbling(time.Minute)), testkit.Config{})
	d.Input(texts).Send("k", "a", time.Date(2222, 1, 1, 0, 0, 0, 0, time.UTC))
	if got := d.Now().Year(); got != 2026 {
		t.Errorf("the clock is in %d", got)
	}
	if !strings.Contains(tb.log.String(), "MaxFutureSkew") {
		t.Errorf("log: %s", tb.log.String())
	}
}

func TestEachLateRecordIsInTheLogOfTheTest(t *testing.T) {
	at := time.UnixMilli
	for name, tc := range map[string]struct {
		declare func(t *stream.Topology)
		send    func(d *testkit.Driver)
		want    []string
	}{
		"windows": {
			func(t *stream.Topology) {
				t.From(texts).Window(window.Tumbling(10 * time.Millisecond)).Aggregate(window.Count[string]()).Final().Peek(func(window.Result[int64]) {})
			},
			func(d *testkit.Driver) {
				d.Input(texts).Send("k", "in time", at(25))
				d.Input(texts).Send("k", "late 1", at(5))
				d.Input(texts).Send("k", "late 2", at(15))
			},
			[]string{"value late 1", "value late 2", "its window, from 0 to 10 ms, is closed", "its window, from 10 to 20 ms, is closed"},
		},
		"interval joins": {
			func(t *stream.Topology) {
				t.From(texts).JoinInterval(t.From(later), join.Within(time.Millisecond, time.Millisecond).Grace(5*time.Millisecond), concat).To(stream.NewTopic("out", codec.String(), codec.String()))
			},
			func(d *testkit.Driver) {
				d.Input(texts).Send("k", "in time", at(100))
				d.Input(texts).Send("k", "late 1", at(1))
				d.Input(later).Send("k", "late 2", at(2))
			},
			[]string{"value late 1", "value late 2", "the grace of the join"},
		},
		"as-of joins": {
			func(t *stream.Topology) {
				t.From(texts).JoinAsOf(t.From(later), join.AsOf{}.Grace(5*time.Millisecond), concat).To(stream.NewTopic("out", codec.String(), codec.String()))
			},
			func(d *testkit.Driver) {
				d.Input(later).Send("k", "in time", at(100))
				d.Input(later).Send("k", "late 1", at(1))
			},
			[]string{"value late 1", "the grace of the join"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tb := &logTB{TB: t}
			topology := stream.NewTopology()
			tc.declare(topology)
			d := testkit.New(tb, topology, testkit.Config{})
			tc.send(d)
			var late int64
			for _, task := range d.Tasks() {
				late += task.Late
			}
			if lines := strings.Count(tb.log.String(), "record dropped"); int64(lines) != late || late == 0 {
				t.Errorf("%d lines, %d late records", lines, late)
			}
			for _, part := range tc.want {
				if !strings.Contains(tb.log.String(), part) {
					t.Errorf("%q is not in the log: %s", part, tb.log.String())
				}
			}
			if strings.Contains(tb.log.String(), "in time") {
				t.Errorf("log: %s", tb.log.String())
			}
		})
	}
}

func concat(l, r string) string { return l + r }

func TestLateRecordsThatATestAsksForAreNotInItsLog(t *testing.T) {
	tb := &logTB{TB: t}
	asked := 0
	d := testkit.New(tb, counting(texts, window.Tumbling(10*time.Millisecond).OnLate(func(window.Late) bool { asked++; return false })), testkit.Config{})
	d.Input(texts).Send("k", "a", time.UnixMilli(25))
	d.Input(texts).Send("k", "b", time.UnixMilli(5))
	if asked != 1 || tb.log.Len() > 0 {
		t.Errorf("asked %d times, log %q", asked, tb.log.String())
	}
}
