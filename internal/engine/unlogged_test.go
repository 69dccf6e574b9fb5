package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

var windowTotals = stream.NewTopic(windows.Name(), codec.String(), codec.JSON[totalLine]())

var localTotal = total.WithoutChangelog()

// unlogged is customers with a store that has no changelog.
func unlogged() *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).MapStateRecord(localTotal, sumUp).To(totals)
	return t
}

// logTo lets the processes of a cluster log into a buffer, which is returned.
func (c *cluster) logTo() *bytes.Buffer {
	var log bytes.Buffer
	c.config.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return &log
}

func (c *cluster) oneEach() {
	for range 5 {
		c.order("north", 1, 20)
	}
}

const beginEmpty = "stores without a changelog begin empty"

func expectTotals(t *testing.T, c *cluster, want int, when string) {
	t.Helper()
	if diff := gocmp.Diff(each(want), c.lastTotals()); diff != "" {
		t.Errorf("totals %s (-want +got):\n%s", when, diff)
	}
}

// unloggedKinds are topologies with each kind of operator that keeps state, without a changelog. Each writes totals that are the greater
// the more of the state is there; want is the total after a number of orders of each customer.
func unloggedKinds() map[string]struct {
	topology *stream.Topology
	want     func(rounds int) int
} {
	type kind = struct {
		topology *stream.Topology
		want     func(rounds int) int
	}
	line := func(key string, total int) totalLine { return totalLine{Shop: key, Total: total} }
	lines := func(s stream.Stream[string, order]) stream.Stream[string, totalLine] {
		return s.MapRecord(func(_ context.Context, r weir.Record[string, order]) (totalLine, error) {
			return line(r.Key, r.Value.Amount), nil
		})
	}
	known := func(s stream.Stream[string, totalLine], right stream.Stream[string, totalLine], join func(
		l, r stream.Stream[string, totalLine], f func(totalLine, *totalLine) totalLine) stream.Stream[string, totalLine],
	) stream.Stream[string, totalLine] {
		return join(s, right, func(l totalLine, r *totalLine) totalLine {
			if r == nil {
				return line(l.Shop, 0)
			}
			return *r
		})
	}
	each, once := func(rounds int) int { return rounds }, func(int) int { return 1 }
	first := func(o order) bool { return o.ID < 5 }
	kinds := map[string]kind{"cell": {unlogged(), each}}
	add := func(name string, want func(int) int, f func(s stream.Stream[string, order]) stream.Stream[string, totalLine]) {
		t := stream.NewTopology()
		f(t.From(orders)).To(totals)
		kinds[name] = kind{t, want}
	}
	add("reduce", each, func(s stream.Stream[string, order]) stream.Stream[string, totalLine] {
		return lines(s).Reduce(store.NewCell[totalLine]("sum"), func(a, b totalLine) totalLine { return line(a.Shop, a.Total+b.Total) }).WithoutChangelog()
	})
	add("aggregate", each, func(s stream.Stream[string, order]) stream.Stream[string, totalLine] {
		return s.Aggregate("count", window.Count[order]()).WithoutChangelog().MapRecord(
			func(_ context.Context, r weir.Record[string, int64]) (totalLine, error) {
				return line(r.Key, int(r.Value)), nil
			})
	})
	add("deduplicate", once, func(s stream.Stream[string, order]) stream.Stream[string, totalLine] {
		return s.Deduplicate("seen", time.Hour, func(order) int { return 0 }).WithoutChangelog().MapStateRecord(total, sumUp)
	})
	add("table", once, func(s stream.Stream[string, order]) stream.Stream[string, totalLine] {
		return known(lines(s), lines(s.Filter(first)), func(l, r stream.Stream[string, totalLine], f func(totalLine, *totalLine) totalLine) stream.Stream[string, totalLine] {
			return l.LeftJoinTable(stream.TableOf(r, "rows").WithoutChangelog(), f)
		})
	})
	add("foreign-key join", once, func(s stream.Stream[string, order]) stream.Stream[string, totalLine] {
		near, far := stream.TableOf(lines(s), "near").WithoutChangelog(), stream.TableOf(lines(s.Filter(first)), "far").WithoutChangelog()
		return near.LeftJoinForeignKey("by_shop", far, func(l totalLine) (string, bool) { return l.Shop, true }, func(l totalLine, r *totalLine) totalLine {
			if r == nil {
				return line(l.Shop, 0)
			}
			return *r
		}).WithoutChangelog().Stream()
	})
	add("as-of join", once, func(s stream.Stream[string, order]) stream.Stream[string, totalLine] {
		return known(lines(s), lines(s.Filter(first)), func(l, r stream.Stream[string, totalLine], f func(totalLine, *totalLine) totalLine) stream.Stream[string, totalLine] {
			return l.LeftJoinAsOf(r, join.AsOf{}, f).WithoutChangelog()
		})
	})
	add("interval join", once, func(s stream.Stream[string, order]) stream.Stream[string, totalLine] {
		return known(lines(s), lines(s.Filter(first)), func(l, r stream.Stream[string, totalLine], f func(totalLine, *totalLine) totalLine) stream.Stream[string, totalLine] {
			return l.LeftJoinInterval(r, join.Within(time.Minute, time.Minute).Grace(time.Hour), f).WithoutChangelog()
		})
	})
	add("window", each, func(s stream.Stream[string, order]) stream.Stream[string, totalLine] {
		return s.Window(window.Tumbling(time.Hour)).Aggregate(window.Count[order]()).Current().WithoutChangelog().MapRecord(
			func(_ context.Context, r weir.Record[string, window.Result[int64]]) (totalLine, error) {
				return line(r.Key, int(r.Value.Value)), nil
			})
	})
	return kinds
}

// The state of stores without a changelog is that of all input as long as the disk is kept, at whatever call the process dies, and if
// the disk loses all that was not synced.
func TestACrashAtAnyCallKeepsStoresWithoutAChangelog(t *testing.T) {
	for name, kind := range unloggedKinds() {
		t.Run(name, func(t *testing.T) {
			bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
				stride := longtest.Cases(5, 1)
				if name != "cell" {
					stride = longtest.Cases(13, 3) // the commits are the same for all kinds
				}
				for at, more := 0, true; more; at += stride {
					more = crashUnlogged(t, kind.topology, kind.want(4), exactlyOnce, at)
				}
			})
		})
	}
}

// crashUnlogged lets a process crash at a call between four rounds of orders. It reports false if there are not so many calls.
func crashUnlogged(t *testing.T, topology *stream.Topology, want int, exactlyOnce bool, at int) (more bool) {
	t.Helper()
	c := newCluster(t, topology, 1)
	c.config.ExactlyOnce = exactlyOnce
	log := c.logTo()
	d := newPebbleDisk(t)
	calls := 0
	c.onCall = func(simbroker.Op) error {
		if calls++; calls == at+1 {
			return errCrash
		}
		return nil
	}
	var p *process
	work := func() {
		for range 4 {
			var err error
			if p == nil {
				p, err = c.start(d, "static")
			}
			if err == nil {
				err = p.run()
			}
			if err != nil {
				if !errors.Is(err, errCrash) {
					t.Fatal(err)
				}
				p = nil
			}
			c.clock.Advance(interval)
		}
	}
	for range 4 {
		c.oneEach()
		work()
	}
	expectTotals(t, c, want, fmt.Sprintf("after a crash at call %d", at))
	if exactlyOnce && want == 4 && len(c.broker.Read(broker.TopicPartition{Topic: totals.Name()}, 0)) != 20 {
		t.Errorf("crash at call %d: not one total for each order", at)
	}
	if strings.Contains(log.String(), beginEmpty) {
		t.Errorf("crash at call %d: %s", at, log)
	}
	return calls > at
}

// When the disk is lost the stores of each kind begin empty, and the log says so; no kind has a changelog.
func TestStoresOfEachKindBeginEmptyWithoutTheirDisk(t *testing.T) {
	for name, kind := range unloggedKinds() {
		t.Run(name, func(t *testing.T) {
			d := memoryDisk{}
			c, p := ordersTaken(t, kind.topology, true, d)
			p.mustClose()
			for topic := range c.topics.Partitions {
				if strings.HasPrefix(topic, "changelog") && name != "deduplicate" { // which counts in another store
					t.Errorf("topic %q", topic)
				}
			}
			d.lose()
			log := c.logTo()
			p = c.mustStart(d)
			c.oneEach()
			c.settle(p)
			want := map[string]int{"deduplicate": 2, "table": 0, "foreign-key join": 0, "as-of join": 0, "interval join": 0}
			total, ok := want[name]
			if !ok {
				total = 1
			}
			expectTotals(t, c, total, "")
			if !strings.Contains(log.String(), beginEmpty) {
				t.Errorf("logged:\n%s", log)
			}
		})
	}
}

// Nothing is restored when the disk is lost, or damaged, or has state of other input: the store begins empty, and the log says so.
func TestAStoreWithoutAChangelogBeginsEmptyIfItsStateDoesNotFit(t *testing.T) {
	for name, x := range map[string]struct {
		happens func(c *cluster, d memoryDisk)
		want    int // after one more order of each customer; 5 if the state is kept
	}{
		"nothing happens":   {func(*cluster, memoryDisk) {}, 5},
		"the disk is lost":  {func(_ *cluster, d memoryDisk) { d.lose() }, 1},
		"offsets forgotten": {func(c *cluster, _ memoryDisk) { c.broker.Forget(groupName) }, 5},
		"another member had the task": {func(c *cluster, _ memoryDisk) {
			c.oneEach()
			p := c.mustStart(memoryDisk{})
			c.settle(p)
			p.mustClose()
		}, 1},
		"another member had the task and did nothing": {func(c *cluster, _ memoryDisk) {
			c.mustStart(memoryDisk{}).mustClose()
		}, 5},
		"offsets moved on":   {func(c *cluster, _ memoryDisk) { c.commit(25) }, 1},
		"offsets moved back": {func(c *cluster, _ memoryDisk) { c.commit(15) }, 2},
		"the topic was made anew": {func(c *cluster, _ memoryDisk) {
			c.ordersAnew(0)
			c.config.LostInput = engine.LostContinue
		}, 5},
		"the topic was made anew, offsets forgotten": {func(c *cluster, _ memoryDisk) {
			c.ordersAnew(0)
			c.broker.Forget(groupName)
			c.config.LostInput = engine.LostContinue
		}, 5},
		"the topic was made anew, and state is to be emptied": {func(c *cluster, _ memoryDisk) {
			c.ordersAnew(3)
			c.config.LostInput = engine.LostReset
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
				d := memoryDisk{}
				c, p := ordersTaken(t, unlogged(), exactlyOnce, d)
				p.mustClose()
				x.happens(c, d)
				log := c.logTo()
				p = c.mustStart(d)
				c.settle(p)
				c.oneEach()
				c.settle(p)
				p.mustClose()
				expectTotals(t, c, x.want, "")
				if emptied := strings.Contains(log.String(), beginEmpty); emptied != (x.want < 5 && c.config.LostInput != engine.LostReset) {
					t.Errorf("logged:\n%s", log)
				}
				c.oneEach()
				c.settle(c.mustStart(d))
				expectTotals(t, c, x.want+1, "after another start")
			})
		})
	}
}

// commit lets another member commit an offset of the orders that it has not reached, and die.
func (c *cluster) commit(offset int64) {
	c.t.Helper()
	p := c.mustStart(memoryDisk{})
	for int64(c.ids) < offset {
		c.order("north", 1, 20)
	}
	if err := p.group.Commit(context.Background(), map[broker.TopicPartition]int64{{Topic: orders.Name()}: offset}, nil); err != nil {
		c.t.Fatal(err)
	}
	p.abandon()
}

// replan lets the processes of a cluster run another topology from now on.
func (c *cluster) replan(topology *stream.Topology) {
	c.t.Helper()
	c.plan = graph.NewPlan(topology.Graph(), groupName)
	var err error
	c.topics, err = provision.Prepare(context.Background(), c.broker, c.plan, provision.Options{Logger: c.config.Logger})
	if err != nil {
		c.t.Fatal(err)
	}
}

// A store that loses its changelog, or gets one, begins empty, and finds nothing of an earlier time later.
func TestAStoreWithAnotherChangelogBeginsEmpty(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		d := memoryDisk{}
		c, p := ordersTaken(t, customers(), exactlyOnce, d)
		p.mustClose()
		step := func(topology *stream.Topology, want int) {
			t.Helper()
			c.replan(topology)
			for range 2 {
				c.oneEach()
				p := c.mustStart(d)
				c.settle(p)
				p.mustClose()
			}
			expectTotals(t, c, want, "")
		}
		step(unlogged(), 2)
		step(customers(), 4+2) // which the changelog holds: an application refuses it as stale
		step(unlogged(), 2)
	})
}

// There is no topic for the store, and the plan warns.
func TestAStoreWithoutAChangelogHasNoTopicAndIsToldOf(t *testing.T) {
	c := newCluster(t, unlogged(), 1)
	log := c.logTo()
	c.replan(unlogged())
	if text := log.String(); !strings.Contains(text, "has no changelog") || !strings.Contains(text, "unlogged_test.go") || !strings.Contains(text, total.Name()) {
		t.Errorf("logged:\n%s", text)
	}
	for topic := range c.topics.Partitions {
		if topic == "" || strings.HasPrefix(topic, "changelog") {
			t.Errorf("topic %q", topic)
		}
	}
	if text := unlogged().Describe(); !strings.Contains(text, "no changelog") {
		t.Errorf("described as\n%s", text)
	}
}

// One task has a store of each kind: what is not known to be committed counts in neither or in both.
func TestStoresWithAndWithoutAChangelogGoTogether(t *testing.T) {
	both := func() *stream.Topology {
		t := stream.NewTopology()
		s := t.From(orders)
		s.MapStateRecord(total, sumUp).To(totals)
		s.MapStateRecord(store.NewCell[int]("local").WithoutChangelog(), sumUp).To(windowTotals)
		return t
	}
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		for _, after := range []bool{false, true} {
			c := newCluster(t, both(), 1)
			c.config.ExactlyOnce = exactlyOnce
			d := newPebbleDisk(t)
			p := c.mustStart(d)
			c.oneEach()
			c.settle(p)
			commit := simbroker.OpCommit
			if exactlyOnce {
				commit = simbroker.OpEndTransaction
			}
			c.onCall = func(op simbroker.Op) error {
				if op.Kind == commit && op.After == after {
					return errCrash
				}
				return nil
			}
			c.oneEach()
			err := p.run()
			for range 3 {
				if err == nil {
					c.clock.Advance(interval + time.Second)
					err = p.run()
				}
			}
			if !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			c.onCall = nil
			c.oneEach()
			p = c.mustStart(d)
			c.settle(p)
			for _, topic := range []string{totals.Name(), windows.Name()} {
				if diff := gocmp.Diff(each(3), c.lastTotalsOf(topic)); diff != "" {
					t.Errorf("%s after a crash at the commit, after it %v (-want +got):\n%s", topic, after, diff)
				}
			}
		}
	})
}
