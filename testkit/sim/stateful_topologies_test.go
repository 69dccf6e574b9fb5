package sim_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

func lineOf(r weir.Record[string, order], total int) line {
	return line{r.Value.ID, total, fmt.Sprint(r.Origin.Topic, r.Origin.Partition), r.Origin.Offset}
}

// ledger is several stores in one operator.
type ledger struct {
	recent *store.Map[int, int]
	total  *store.Cell[int]
}

// stores has the operators that keep states by field, states that expire, and several stores that two operators share.
func stores(faulty func() error) *stream.Topology {
	recent := store.NewMap[int, int]("recent")
	all := store.NewCell[int]("all")
	ledgers := store.Group(func(o *store.Opener) ledger { return ledger{o.Open(recent), o.Open(all)} })
	t := stream.NewTopology()
	in := t.From(orders)
	in.FlatMapStateRecord(ledgers, func(_ context.Context, l ledger, r weir.Record[string, order]) ([]line, error) {
		n := r.Value.Amount
		switch {
		case n%11 == 0:
			l.recent.Clear()
		case n%5 == 0:
			l.recent.Delete(n % 4)
		case n%3 == 0:
			l.recent.Set(n%4, n)
		default:
			l.recent.SetFor(n%4, n, time.Duration(1+n%40)*time.Millisecond)
		}
		sum := 0
		for field, state := range l.recent.All() {
			sum += (field + 1) * state
		}
		count, _ := l.total.Get()
		l.total.SetFor(count+sum, 25*time.Millisecond)
		return []line{lineOf(r, sum), check(faulty, lineOf(r, -count))}[:n%3], nil
	}).To(lines)
	in.FilterState(all, func(c *store.Cell[int], o order) bool {
		n, _ := c.Get()
		return (n+o.Amount)%2 == 0
	}).To(out)
	return t
}

// duplicates drops records, combines them, and aggregates them without a window.
func duplicates(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	some := t.From(orders).
		Deduplicate("seen", 20*time.Millisecond, func(o order) int { return check(faulty, o.Amount%6) })
	some.Reduce(store.NewCell[order]("greatest").WithTTL(30*time.Millisecond), func(a, b order) order {
		if b.Amount > a.Amount {
			return b
		}
		return order{a.ID, a.Shop, a.Amount - 1}
	}).To(out)
	some.Aggregate("sum", window.Sum(func(o order) int { return o.Amount })).
		MapRecord(func(_ context.Context, r weir.Record[string, int]) (line, error) {
			return line{0, r.Value, fmt.Sprint(r.Origin.Topic, r.Origin.Partition), r.Origin.Offset}, nil
		}).To(lines)
	return t
}

// alarms are the stores of a watcher.
type alarms struct {
	timers *store.Timers
	count  *store.Cell[int]
}

// watcher sets timers in event time, moves and cancels them, and counts those that fire.
type watcher struct {
	weir.ProcessorBase[string, string, line]
	alarms
	faulty func() error
}

func (w *watcher) Process(_ context.Context, r weir.Record[string, order]) error {
	n := r.Value.Amount
	name := fmt.Sprint("timer ", n%3)
	switch {
	case n%7 == 0:
		w.timers.Cancel(weir.EventTime, name)
	case n%13 == 0:
		w.timers.Set(weir.EventTime, name, r.Time()) // at once
	default:
		w.timers.Set(weir.EventTime, name, r.Time().Add(time.Duration(n)*time.Millisecond))
	}
	check(w.faulty, 0)
	if n%4 != 0 {
		return nil
	}
	count, _ := w.count.Get()
	return w.Forward(weir.Record[string, line]{Key: r.Key, Value: lineOf(r, count), Millis: r.Millis, Headers: r.Headers})
}

func (w *watcher) OnTimer(_ context.Context, t weir.Timer[string]) error {
	count, _ := w.count.Get()
	w.count.SetFor(count+1, 50*time.Millisecond)
	if t.Name == "timer 2" && count < 3 {
		w.timers.Set(t.Kind, "timer 1", t.Time().Add(15*time.Millisecond))
	}
	return w.Forward(weir.Record[string, line]{Key: t.Key, Value: check(w.faulty, line{ID: count, Origin: t.Name}), Millis: t.Millis})
}

// timers runs processors with timers in event time, before and after a repartition topic.
func timers(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	watch := func(name string, s stream.Stream[string, order]) {
		handle := store.NewTimers(name + "-timers")
		count := store.NewCell[int](name + "-count")
		group := store.Group(func(o *store.Opener) alarms { return alarms{o.Open(handle), o.Open(count)} })
		s.Process(group, func(a alarms) weir.Processor[string, order, string, line] {
			return &watcher{alarms: a, faulty: faulty}
		}).To(lines)
	}
	in := t.From(orders)
	watch("direct", in)
	watch("grouped", in.GroupBy("shop", func(o order) string { return o.Shop }))
	return t
}

// sleeper sets timers in the time of the clock. Some are due while the simulation runs, before or after a crash, and each of
// these has a name of its own; the others are moved and cancelled, and due when everything is over. So what comes of them
// does not depend on when they fire, as long as each fires. At least once it may fire again, which the state does not show.
type sleeper struct {
	weir.ProcessorBase[string, string, line]
	timers *store.Timers
	fired  *store.Map[string, bool]
	faulty func() error
}

// clockStart is what the clock of a simulation says first.
var clockStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (s *sleeper) Process(_ context.Context, r weir.Record[string, order]) error {
	n := r.Value.Amount
	late := fmt.Sprint("late ", n%3)
	switch {
	case n%4 == 0:
		s.timers.Cancel(weir.ProcessingTime, late)
	case n%2 == 0:
		s.timers.Set(weir.ProcessingTime, fmt.Sprint("soon ", r.Origin.Offset), clockStart.Add(time.Duration(n)*3*time.Second))
	default:
		s.timers.Set(weir.ProcessingTime, late, clockStart.Add(6*time.Hour+time.Duration(n)*time.Second))
	}
	check(s.faulty, 0)
	if n%3 != 0 {
		return nil
	}
	return s.Forward(weir.Record[string, line]{Key: r.Key, Value: lineOf(r, n), Millis: r.Millis, Headers: r.Headers})
}

func (s *sleeper) OnTimer(_ context.Context, t weir.Timer[string]) error {
	s.fired.Set(t.Name, true)
	if again, ok := strings.CutPrefix(t.Name, "soon "); ok && t.Millis%2000 == 0 {
		s.timers.Set(t.Kind, "again "+again, t.Time().Add(5*time.Second))
	}
	return s.Forward(weir.Record[string, line]{Key: t.Key, Value: check(s.faulty, line{Origin: t.Name}), Millis: t.Millis})
}

// clocks runs a processor with timers in the time of the clock, before a repartition topic and behind it.
func clocks(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	sleep := func(name string, s stream.Stream[string, order]) {
		handle := store.NewTimers(name + "-timers")
		fired := store.NewMap[string, bool](name + "-fired")
		group := store.Group(func(o *store.Opener) sleeper {
			return sleeper{timers: o.Open(handle), fired: o.Open(fired), faulty: faulty}
		})
		s.Process(group, func(s sleeper) weir.Processor[string, order, string, line] { return &s }).To(lines)
	}
	in := t.From(orders)
	sleep("direct", in)
	sleep("grouped", in.GroupBy("shop", func(o order) string { return o.Shop }))
	return t
}

// errPoison is what skipper fails with: the policy is to skip the record.
var errPoison = errors.New("a record that cannot be processed")

// skipper counts records, and fails in the middle of some.
type skipper struct {
	weir.ProcessorBase[string, string, line]
	count  *store.Cell[int]
	faulty func() error
}

func (s *skipper) Process(_ context.Context, r weir.Record[string, order]) error {
	count, _ := s.count.Get()
	s.count.Set(count + 1)
	out := weir.Record[string, line]{Key: r.Key, Value: check(s.faulty, lineOf(r, count)), Millis: r.Millis}
	if r.Value.Amount%2 == 0 {
		if err := s.Forward(out); err != nil {
			return err
		}
	}
	if r.Value.Amount%5 == 0 {
		return fmt.Errorf("%w: %d", errPoison, r.Value.ID)
	}
	s.count.Set(count + 2)
	out.Value.Total = -count
	return s.Forward(out)
}

// skipping has records that are skipped: what they changed and wrote before they failed is kept.
func skipping(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).Process(store.NewCell[int]("count"), func(c *store.Cell[int]) weir.Processor[string, order, string, line] {
		return &skipper{count: c, faulty: faulty}
	}).To(lines)
	return t
}

func init() {
	topologies = append(topologies,
		topologyOf{name: "skipping", build: skipping, inputs: []string{"orders"}},
		topologyOf{name: "letters", build: skipping, inputs: []string{"orders"}},
		topologyOf{name: "stores", build: stores, inputs: []string{"orders"}},
		topologyOf{name: "duplicates", build: duplicates, inputs: []string{"orders"}},
		topologyOf{name: "timers", build: timers, inputs: []string{"orders"}},
		topologyOf{name: "clocks", build: clocks, inputs: []string{"orders"}},
	)
}
