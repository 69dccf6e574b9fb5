package operatortest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// script is a processor that does what the values of its records say: "set event NAME MS", "set clock NAME MS" (after now),
// "cancel event NAME". It forwards what it does, and what fires.
type script struct {
	weir.ProcessorBase[string, string, string]
	timers *store.Timers
	log    *[]string
	fail   string // the name of a timer that fails
}

func (s *script) Process(_ context.Context, r textRecord) error {
	words := strings.Fields(r.Value)
	kind := weir.EventTime
	if len(words) > 1 && words[1] == "clock" {
		kind = weir.ProcessingTime
	}
	switch words[0] {
	case "set":
		var millis int64
		if _, err := fmt.Sscan(words[3], &millis); err != nil {
			return err
		}
		when := time.UnixMilli(millis)
		if kind == weir.ProcessingTime {
			when = s.Now().Add(time.Duration(millis) * time.Millisecond)
		}
		s.timers.Set(kind, words[2], when)
	case "cancel":
		s.timers.Cancel(kind, words[2])
	}
	return s.Forward(weir.Record[string, string]{Key: r.Key, Value: r.Value, Millis: r.Millis, Headers: r.Headers})
}

func (s *script) OnTimer(_ context.Context, t weir.Timer[string]) error {
	if t.Name == s.fail {
		return errBad
	}
	if _, set := s.timers.Get(t.Kind, t.Name); set {
		return errors.New("a timer that fires is still set")
	}
	return s.Forward(weir.Record[string, string]{Key: t.Key, Value: fmt.Sprintf("%s %s", t.Kind, t.Name), Millis: 1})
}

func (s *script) Close() error {
	*s.log = append(*s.log, "close")
	return nil
}

func scripted(fail string, log *[]string) *stream.Topology {
	t := stream.NewTopology()
	t.From(in).Process(store.NewTimers("timers"), func(timers *store.Timers) weir.Processor[string, string, string, string] {
		*log = append(*log, "new")
		return &script{timers: timers, log: log, fail: fail}
	}).To(out)
	return t
}

// afterwards is what a test does between any two records.
var afterwards = map[string]func(*testkit.Driver){
	"nothing":         func(*testkit.Driver) {},
	"checkpoint":      func(d *testkit.Driver) { d.Checkpoint() },
	"restart":         func(d *testkit.Driver) { d.Restart() },
	"crash":           func(d *testkit.Driver) { d.Checkpoint(); d.Crash(testkit.KeepState) },
	"crash and loss":  func(d *testkit.Driver) { d.Checkpoint(); d.Crash(testkit.LoseState) },
	"moving the time": func(d *testkit.Driver) { d.Advance(time.Millisecond) },
}

func TestTimersInEventTimeFireBeforeTheRecordThatTheyAreDueBy(t *testing.T) {
	for name, after := range afterwards {
		t.Run(name, func(t *testing.T) {
			d := testkit.New(t, scripted("", new([]string)), testkit.Config{})
			output := d.Output(out)
			for _, step := range []struct {
				key, value string
				at         int64
				fires      []string
			}{
				{"a", "set event first 100", 10, nil},
				{"b", "set event second 100", 20, nil},
				{"a", "set event moved 90", 30, nil},
				{"a", "set event moved 200000", 30, nil},
				{"a", "set event gone 95", 30, nil},
				{"a", "cancel event gone", 30, nil},
				{"c", "nothing", 99, nil},
				{"c", "nothing", 100, []string{"a event time first", "b event time second"}},
				{"c", "set event past 50", 60, []string{"after c event time past"}},
				{"c", "nothing", 199_999, nil},
				{"c", "nothing", 1_000_000, []string{"a event time moved"}},
			} {
				d.Input(in).Send(step.key, step.value, at(step.at))
				var want []string
				own := fmt.Sprint(step.key, " ", step.value)
				for _, f := range step.fires {
					if later, ok := strings.CutPrefix(f, "after "); ok {
						want = append(want, own, later)
						own = ""
					} else {
						want = append(want, f)
					}
				}
				if own != "" {
					want = append(want, own)
				}
				var got []string
				for _, r := range output.Read() {
					got = append(got, r.Key+" "+r.Value)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("after %q at %d (-want +got):\n%s", step.value, step.at, diff)
				}
				after(d)
			}
		})
	}
}

func TestTimersByTheClockFireWithoutRecordsAndAfterARestart(t *testing.T) {
	for name, after := range afterwards {
		if name == "moving the time" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			d := testkit.New(t, scripted("", new([]string)), testkit.Config{})
			output := d.Output(out)
			d.Input(in).Send("a", "set clock soon 1000", at(5))
			d.Input(in).Send("b", "set clock late 100000", at(6))
			d.Input(in).Send("b", "set clock gone 500", at(6))
			d.Input(in).Send("b", "cancel clock gone", at(6))
			output.Read()
			after(d)
			d.Advance(999 * time.Millisecond)
			output.ExpectValues()
			after(d)
			d.Advance(time.Millisecond)
			output.ExpectValues("processing time soon")
			after(d)
			d.Advance(time.Hour)
			output.ExpectValues("processing time late")
			after(d)
			d.Advance(time.Hour)
			output.ExpectValues()
		})
	}
}

// What fired is part of a checkpoint: it does not fire again.
func TestATimerThatFiredBetweenRecordsIsCheckpointed(t *testing.T) {
	d := testkit.New(t, scripted("", new([]string)), testkit.Config{ExactlyOnce: true})
	output := d.Output(out)
	d.Input(in).Send("a", "set clock soon 1000", at(5))
	d.Advance(time.Second)
	output.ExpectValues("set clock soon 1000", "processing time soon")
	d.Crash(testkit.LoseState)
	d.Advance(time.Hour)
	output.ExpectValues()
}

// With IdleTimeout, timers in event time fire when no records come.
func TestTimersInEventTimeFireWhenTheInputIsSilent(t *testing.T) {
	d := testkit.New(t, scripted("", new([]string)), testkit.Config{IdleTimeout: time.Second})
	output := d.Output(out)
	due := d.Now().Add(10 * time.Second)
	d.Input(in).Send("a", fmt.Sprint("set event t ", due.UnixMilli()), d.Now())
	output.Read()
	d.Advance(10 * time.Second)
	output.ExpectValues()
	d.Advance(time.Second)
	output.ExpectValues("event time t")
}

func TestATimerThatFailsIsAProcessingErrorAndCanBeSkipped(t *testing.T) {
	d := testkit.New(t, scripted("bad", new([]string)), testkit.Config{})
	d.Input(in).Send("a", "set event bad 100", at(1))
	err := d.Input(in).TrySendRecords(record{Key: "b", Value: "x", Time: at(100)})
	if !errors.Is(err, errBad) || !strings.Contains(err.Error(), "process timers") {
		t.Errorf("error %v", err)
	}
	d = testkit.New(t, scripted("bad", new([]string)), testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
	output := d.Output(out)
	d.Input(in).Send("a", "set event bad 100", at(1))
	d.Input(in).Send("b", "skipped", at(100))
	d.Input(in).Send("b", "goes on", at(101))
	output.ExpectValues("set event bad 100", "goes on")
}

func TestAProcessorIsMadeAndClosedWithItsTask(t *testing.T) {
	var log []string
	d := testkit.New(t, scripted("", &log), testkit.Config{Partitions: 2})
	d.Restart()
	if got := strings.Join(log, " "); got != "new new close close new new" {
		t.Error(got)
	}
}

// broken is a processor that cannot be started.
type broken struct{ prober }

func (*broken) Init(weir.ProcessorContext[string, string]) error { return errBad }

func TestAProcessorThatCannotBeStartedEndsTheApplication(t *testing.T) {
	type processor = weir.Processor[string, string, string, string]
	for name, f := range map[string]func(struct{}) processor{
		"error": func(struct{}) processor { return &broken{} },
		"nil":   func(struct{}) processor { return nil },
		"panic": func(struct{}) processor { panic(errBad) },
	} {
		topology := stream.NewTopology()
		topology.From(in).Process(store.None(), f).To(out)
		err := testkit.Run(topology, testkit.Config{}, func(*testkit.Driver) {})
		if err == nil || !strings.Contains(err.Error(), "start a processor") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestTimersBelongToOneProcessor(t *testing.T) {
	timers := store.NewTimers("timers")
	make1 := func(*store.Timers) weir.Processor[string, string, string, string] { return &prober{} }
	topology := stream.NewTopology()
	s := topology.From(in)
	s.Process(timers, make1)
	s.Process(timers, make1)
	if err := topology.Validate(); err == nil || !strings.Contains(err.Error(), `the store "timers" belongs to the operator declared at`) {
		t.Errorf("two processors: %v", err)
	}
	topology = stream.NewTopology()
	topology.From(in).MapState(timers, func(_ *store.Timers, v string) string { return v })
	if err := topology.Validate(); err == nil || !strings.Contains(err.Error(), "they are for Process") {
		t.Errorf("MapState: %v", err)
	}
}
