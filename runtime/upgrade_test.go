package runtime_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

type textStream = stream.Stream[string, string]

// pipe is where a version of an application reads and writes.
type pipe struct {
	topology       *stream.Topology
	in, other, out stream.Topic[string, string]
}

func newPipe(in, other, out string) pipe {
	return pipe{stream.NewTopology(), texts(in), texts(other), texts(out)}
}

func (p pipe) input() textStream  { return p.topology.From(p.in) }
func (p pipe) second() textStream { return p.topology.From(p.other) }

// count puts a store behind a stream.
func count[T any](p pipe, s textStream, name string) {
	s.MapState(store.NewCell[T](name), func(c *store.Cell[T], v string) string {
		c.Set(*new(T))
		return v
	}).To(p.out)
}

// declaration declares what a version of an application does.
type declaration func(p pipe)

func counting[T any](name string) declaration {
	return func(p pipe) { count[T](p, p.input(), name) }
}

func aggregate[A, R any](p pipe, s textStream, d window.Definition, a window.Aggregator[string, A, R]) {
	s.Window(d).Aggregate(a).Final().Map(func(r window.Result[R]) string { return fmt.Sprint(r.Value) }).To(p.out)
}

func windowed[A, R any](d window.Definition, a window.Aggregator[string, A, R]) declaration {
	return func(p pipe) { aggregate(p, p.input(), d, a) }
}

func leftInterval(d join.Interval) declaration {
	return func(p pipe) { p.input().LeftJoinInterval(p.second(), d, pairUp).To(p.out) }
}

func length(s string) int { return len(s) }

func sameText(s string) string { return s }

func pairUp(l string, _ *string) string { return l }

// Each upgrade goes on with the state, or is refused with names and a remedy, and goes on if it is accepted.
func TestUpgrades(t *testing.T) {
	kafkatest.Parallel(t)
	const changelog = "changelog__GROUP--IN--"
	minute := window.Tumbling(time.Minute)
	second := join.Within(time.Second, time.Second).Name("j")
	for name, c := range map[string]struct {
		before, after declaration
		// refused are kinds and topics of the changes that are refused, if any.
		refused []stream.Change
		// final says that the change cannot be accepted.
		final bool
	}{
		"nothing": {counting[int64]("n"), counting[int64]("n"), nil, false},
		"codec of a store": {counting[int64]("n"), counting[float64]("n"), []stream.Change{
			{Kind: stream.StateRetyped, Topic: changelog + "n"},
		}, false},
		"store is renamed": {counting[int64]("n"), counting[int64]("m"), []stream.Change{
			{Kind: stream.StateOrphaned, Topic: changelog + "n"},
		}, false},
		"store is removed": {counting[int64]("n"), func(p pipe) { p.input().To(p.out) }, []stream.Change{
			{Kind: stream.StateOrphaned, Topic: changelog + "n"},
		}, false},
		"store is added": {counting[int64]("n"), func(p pipe) {
			s := p.input()
			count[int64](p, s, "n")
			count[int64](p, s, "m")
		}, nil, false},
		"store gets a time to live": {counting[int64]("n"), func(p pipe) {
			p.input().MapState(store.NewCell[int64]("n").WithTTL(time.Hour), func(_ *store.Cell[int64], v string) string { return v }).To(p.out)
		}, nil, false},
		"codec of the keys": {counting[int64]("n"), func(p pipe) {
			p.input().WithKeyCodec(codec.JSON[string]()).MapState(store.NewCell[int64]("n"), func(_ *store.Cell[int64], v string) string { return v }).
				WithKeyCodec(codec.String()).To(p.out)
		}, []stream.Change{
			{Kind: stream.StateRetyped, Topic: changelog + "n"},
		}, false},
		"another operator takes the store": {counting[int64]("n"), func(p pipe) {
			p.input().FilterState(store.NewCell[int64]("n"), func(*store.Cell[int64], string) bool { return true }).To(p.out)
		}, []stream.Change{{Kind: stream.StateReused, Topic: changelog + "n"}}, false},
		"size of a window": {windowed(minute, window.Count[string]()), windowed(window.Tumbling(time.Hour), window.Count[string]()), []stream.Change{
			{Kind: stream.StateOrphaned, Topic: changelog + "tumbling_window_60000"},
		}, false},
		"kind of a window": {windowed(minute, window.Count[string]()), windowed(window.Session(time.Minute), window.Sum(length)), []stream.Change{
			{Kind: stream.StateOrphaned, Topic: changelog + "tumbling_window_60000"},
		}, false},
		"aggregator, with the same accumulator": {windowed(minute, window.Min(length)), windowed(minute, window.Max(length)), []stream.Change{
			{Kind: stream.StateReinterpreted, Topic: changelog + "tumbling_window_60000"},
		}, true},
		"aggregator, with another accumulator": {windowed(minute, window.Count[string]()), windowed(minute, window.Mean(length)), []stream.Change{
			{Kind: stream.StateRetyped, Topic: changelog + "tumbling_window_60000"},
		}, true},
		"grace of a window": {windowed(minute, window.Count[string]()), windowed(minute.Grace(time.Hour), window.Count[string]()), nil, false},
		"how a window is closed": {windowed(minute.CloseByKey(), window.Count[string]()), windowed(minute.CloseByPartition(), window.Count[string]()), []stream.Change{
			{Kind: stream.StateReinterpreted, Topic: changelog + "tumbling_window_60000"},
		}, true},
		"GroupBy is removed": {func(p pipe) { count[int64](p, p.input().GroupBy("g", sameText), "n") }, counting[int64]("n"), []stream.Change{
			{Kind: stream.StateOrphaned, Topic: "changelog__GROUP--repartition.IN.g--n"},
		}, false},
		"GroupBy is put before the state": {counting[int64]("n"), func(p pipe) { count[int64](p, p.input().GroupBy("g", sameText), "n") }, []stream.Change{
			{Kind: stream.StateOrphaned, Topic: changelog + "n"},
		}, false},
		"input is another topic": {counting[int64]("n"), func(p pipe) { count[int64](p, p.second(), "n") }, []stream.Change{
			{Kind: stream.StateOrphaned, Topic: changelog + "n"},
		}, false},
		"order of operators": {func(p pipe) {
			s := p.input()
			count[int64](p, s, "n")
			aggregate(p, s, minute, window.Count[string]())
		}, func(p pipe) {
			s := p.input()
			aggregate(p, s, minute, window.Count[string]())
			count[int64](p, s, "n")
		}, nil, false},
		"kind of a join, from inner to left": {func(p pipe) {
			p.input().JoinAsOf(p.second(), join.AsOf{}.Grace(time.Hour), func(l, _ string) string { return l }).To(p.out)
		}, func(p pipe) { p.input().LeftJoinAsOf(p.second(), join.AsOf{}.Grace(time.Hour), pairUp).To(p.out) }, nil, false},
		"kind of a join, from as-of to a table": {func(p pipe) {
			p.input().LeftJoinAsOf(p.second(), join.AsOf{}.Grace(time.Hour).Name("j"), pairUp).To(p.out)
		}, func(p pipe) { p.input().LeftJoinTable(stream.TableOf(p.second(), "j"), pairUp).To(p.out) }, []stream.Change{
			{Kind: stream.StateReused, Topic: "changelog__GROUP--IN--OTHER--j"},
		}, false},
		"duplicates of a join": {func(p pipe) {
			p.input().LeftJoinAsOf(p.second(), join.AsOf{}.Grace(time.Hour).Name("j"), pairUp).To(p.out)
		}, func(p pipe) {
			p.input().LeftJoinAsOf(p.second(), join.AsOf{}.Grace(time.Hour).Name("j").KeepDuplicates(), pairUp).To(p.out)
		}, []stream.Change{{Kind: stream.StateReinterpreted, Topic: "changelog__GROUP--IN--OTHER--j"}}, true},
		"records of a join begin to wait for a match": {leftInterval(second), leftInterval(second.UnmatchedWhenFinal()), []stream.Change{
			{Kind: stream.StateReinterpreted, Topic: "changelog__GROUP--IN--OTHER--j_left"},
		}, true},
		"records of a join do not wait for a match any more": {leftInterval(second.UnmatchedWhenFinal()), leftInterval(second), []stream.Change{
			{Kind: stream.StateReinterpreted, Topic: "changelog__GROUP--IN--OTHER--j_left"},
		}, true},
		"records of the other side of a join wait": {leftInterval(second.UnmatchedWhenFinal()), func(p pipe) {
			p.input().OuterJoinInterval(p.second(), second.UnmatchedWhenFinal(), func(*string, *string) string { return "" }).To(p.out)
		}, []stream.Change{
			{Kind: stream.StateReinterpreted, Topic: "changelog__GROUP--IN--OTHER--j_right"},
		}, true},
		"the sides of a join by time are swapped": {leftInterval(second), func(p pipe) {
			p.second().LeftJoinInterval(p.input(), second, pairUp).To(p.out)
		}, []stream.Change{
			{Kind: stream.StateReinterpreted, Topic: "changelog__GROUP--IN--OTHER--j_left"},
			{Kind: stream.StateReinterpreted, Topic: "changelog__GROUP--IN--OTHER--j_right"},
		}, true},
		"the sides of an as-of join are swapped": {func(p pipe) {
			p.input().LeftJoinAsOf(p.second(), join.AsOf{}.Grace(time.Hour).Name("j"), pairUp).To(p.out)
		}, func(p pipe) {
			p.second().LeftJoinAsOf(p.input(), join.AsOf{}.Grace(time.Hour).Name("j"), pairUp).To(p.out)
		}, []stream.Change{{Kind: stream.StateReinterpreted, Topic: "changelog__GROUP--IN--OTHER--j"}}, true},
		"another input of two is counted": {func(p pipe) {
			left, right := p.input(), p.second()
			count[int](p, left, "n")
			left.LeftJoinAsOf(right, join.AsOf{}.Grace(time.Hour).Name("j"), pairUp).To(p.out)
		}, func(p pipe) {
			left, right := p.input(), p.second()
			count[int](p, right, "n")
			left.LeftJoinAsOf(right, join.AsOf{}.Grace(time.Hour).Name("j"), pairUp).To(p.out)
		}, []stream.Change{{Kind: stream.StateReinterpreted, Topic: "changelog__GROUP--IN--OTHER--n"}}, true},
		"bounds of a join": {leftInterval(second), leftInterval(join.Within(time.Minute, 0).Name("j")), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKafka(t)
			in := k.Topic(t, "in", 1)
			other, out := k.Topic(t, "zzz", 1), k.Topic(t, "out", 1)
			k.write(in, 0, numbers(0, 5)...)
			version := func(d declaration, accept ...stream.Change) error {
				p := newPipe(in, other, out)
				d(p)
				config := k.config() // each start has an empty disk
				config.Accept = accept
				return app(t, p.topology, config).RunUntil(within(t), runtime.Until{Idle: 100 * time.Millisecond})
			}
			if err := version(c.before); err != nil {
				t.Fatal(err)
			}
			k.write(in, 0, numbers(5, 10)...)
			err := version(c.after)
			if len(c.refused) == 0 {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				if n := k.committed(in, 0); n != 10 {
					t.Errorf("%d of 10 records were processed", n)
				}
				return
			}
			if err == nil {
				t.Fatal("nothing was refused")
			}
			var accept []stream.Change
			for _, change := range c.refused {
				change.Topic = strings.NewReplacer("GROUP", k.group, "IN", in, "OTHER", other).Replace(change.Topic)
				accept = append(accept, change)
				if want := fmt.Sprintf("upgrade: %s: %s", change.Kind, change.Topic); !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q:\n%v", want, err)
				}
				offer := fmt.Sprintf("{Kind: %q, Topic: %q} in Config.Accept", change.Kind, change.Topic)
				if offered := strings.Contains(err.Error(), offer); offered == c.final {
					t.Errorf("the error says %q: %t\n%v", offer, offered, err)
				}
			}
			if n := k.committed(in, 0); n > 5 {
				t.Errorf("%d records were processed by a version that was refused", n)
			}
			if c.final {
				if err := version(c.after, accept...); err == nil {
					t.Error("accepted, although no program can read such rows")
				}
				return
			}
			if err := version(c.after, accept...); err != nil {
				t.Errorf("refused although it was accepted: %v", err)
			}
			// From now on it is what the group keeps.
			if err := version(c.after); err != nil {
				t.Errorf("refused although it was accepted before: %v", err)
			}
		})
	}
}

// A store that comes back finds what was left of it, which is not up to date.
func TestAStoreThatComesBackIsRefused(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	k.write(in, 0, numbers(0, 5)...)
	version := func(accept []stream.Change, stores ...string) error {
		p := newPipe(in, in, out)
		s := p.input()
		for _, name := range stores {
			count[int64](p, s, name)
		}
		config := k.config()
		config.Accept = accept
		return app(t, p.topology, config).RunUntil(within(t), runtime.Until{Idle: 100 * time.Millisecond})
	}
	if err := version(nil, "n", "m"); err != nil {
		t.Fatal(err)
	}
	topic := "changelog__GROUP--" + in + "--m"
	if err := version([]stream.Change{{Kind: stream.StateOrphaned, Topic: topic}}, "n"); err != nil {
		t.Fatal(err)
	}
	err := version(nil, "n", "m")
	if err == nil || !strings.Contains(err.Error(), "upgrade: state stale") || !strings.Contains(err.Error(), "left by an earlier version") {
		t.Errorf("got %v", err)
	}
	if err := version([]stream.Change{{Kind: stream.StateStale, Topic: topic}}, "n", "m"); err != nil {
		t.Error(err)
	}
}

// A repartition topic may change when everything in it was read, and not before.
func TestARepartitionTopicMayChangeWhenItWasRead(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	k.write(in, 0, numbers(0, 5)...)
	version := func(operation string) error {
		topology := stream.NewTopology()
		topology.From(texts(in)).GroupBy(operation, sameText).To(texts(out))
		return app(t, topology, k.config()).RunUntil(within(t), runtime.Until{Idle: 100 * time.Millisecond})
	}
	if err := version("one"); err != nil {
		t.Fatal(err)
	}
	if err := version("two"); err != nil {
		t.Fatalf("refused although everything was read: %v", err)
	}
	name := fmt.Sprintf("repartition__%s--%s--two", k.group, in)
	k.write(name, 0, raw("k", "unread"))
	err := version("three")
	if err == nil || !strings.Contains(err.Error(), "upgrade: topic orphaned: "+name) {
		t.Errorf("got %v", err)
	}
}

// A number of partitions that a repartition topic cannot get any more is refused by the topic itself.
func TestAnotherNumberOfPartitionsOfARepartitionTopicIsRefused(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	version := func(partitions int32) error {
		topology := stream.NewTopology()
		topology.From(texts(in)).GroupByWith(stream.Repartition[string, string]{Name: "g", Partitions: partitions}, sameText).To(texts(out))
		return app(t, topology, k.config()).RunUntil(within(t), runtime.Until{Idle: 100 * time.Millisecond})
	}
	if err := version(2); err != nil {
		t.Fatal(err)
	}
	if err := version(3); err == nil || !strings.Contains(err.Error(), "has 2 partitions, 3 were declared") {
		t.Errorf("got %v", err)
	}
}

// If the topic of the inventory is lost, the database still knows what its rows are.
func TestTheDatabaseKnowsItsFormatsWithoutTheInventory(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	k.write(in, 0, numbers(0, 5)...)
	config := k.config() // with one disk for all
	version := func(d declaration, accept ...stream.Change) error {
		p := newPipe(in, in, out)
		d(p)
		config.Accept = accept
		return app(t, p.topology, config).RunUntil(within(t), runtime.Until{Idle: 100 * time.Millisecond})
	}
	if err := version(counting[int64]("n")); err != nil {
		t.Fatal(err)
	}
	k.deleteTopic("inventory__" + k.group)
	err := version(counting[float64]("n"))
	change := stream.Change{Kind: stream.StateRetyped, Topic: fmt.Sprintf("changelog__%s--%s--n", k.group, in)}
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("{Kind: %q, Topic: %q}", change.Kind, change.Topic)) {
		t.Errorf("got %v", err)
	}
}

// Plan shows what an upgrade does, and changes nothing.
func TestPlanShowsTheChangesOfAnUpgrade(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	version := func(d declaration) *runtime.App {
		p := newPipe(in, in, out)
		d(p)
		return app(t, p.topology, k.config())
	}
	if err := version(counting[int64]("n")).RunUntil(within(t), runtime.Until{Idle: 100 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		plan, err := version(counting[int64]("m")).Plan(within(t))
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, c := range plan.Changes {
			kinds = append(kinds, string(c.Kind))
		}
		if got := strings.Join(kinds, ", "); got != "state orphaned, state new" || len(plan.Problems) != 1 || !strings.Contains(plan.String(), "state new") {
			t.Errorf("changes %s, problems %q", got, plan.Problems)
		}
	}
}
