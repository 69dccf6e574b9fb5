package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// bell rings twice after the first order of a customer, and counts that.
type bell struct {
	weir.ProcessorBase[string, string, totalLine]
	timers *store.Timers
	count  *store.Cell[int]
}

func (b *bell) Process(_ context.Context, r weir.Record[string, order]) error {
	if r.Value.Amount == 1 {
		b.timers.Set(weir.ProcessingTime, "first", begin.Add(4*interval))
		return nil
	}
	n, _ := b.count.Get()
	return b.Forward(weir.Record[string, totalLine]{Key: "count", Value: totalLine{Total: n}})
}

func (b *bell) OnTimer(_ context.Context, t weir.Timer[string]) error {
	n, _ := b.count.Get()
	b.count.Set(n + 1)
	if t.Name == "first" {
		b.timers.Set(weir.ProcessingTime, "second", t.Time().Add(interval))
	}
	return b.Forward(weir.Record[string, totalLine]{Key: t.Name})
}

func bells(unlogged bool) *stream.Topology {
	timers, count := store.NewTimers("timers"), store.NewCell[int]("count")
	if unlogged {
		timers = timers.WithoutChangelog()
	}
	t := stream.NewTopology()
	rung := t.From(orders).Process(store.Group(func(o *store.Opener) bell { return bell{timers: o.Open(timers), count: o.Open(count)} }),
		func(b bell) weir.Processor[string, order, string, totalLine] { return &b })
	if unlogged {
		rung.WithoutChangelog()
	}
	rung.To(totals)
	return t
}

// What a timer by the clock does while no record comes is not lost at whatever call the process dies, whether its disk
// comes back or not. Exactly once it is done once; at least once perhaps again.
func TestACrashAtAnyCallLosesNoTimer(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		for _, lost := range []bool{false, true} {
			for at, more := 0, true; more; at++ {
				var problem string
				if more, problem = bellsCrash(t, at, exactlyOnce, lost, false); problem != "" {
					t.Errorf("exactly once %v, disk lost %v, crash at call %d: %s", exactlyOnce, lost, at, problem)
				}
			}
		}
	}
}

// The same is true of timers without a changelog as long as the disk comes back.
func TestACrashAtAnyCallLosesNoTimerWithoutAChangelog(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		for at, more := 0, true; more; at++ {
			var problem string
			if more, problem = bellsCrash(t, at, exactlyOnce, false, true); problem != "" {
				t.Errorf("exactly once %v, crash at call %d: %s", exactlyOnce, at, problem)
			}
		}
	}
}

// bellsCrash reports false if there are not so many calls.
func bellsCrash(t *testing.T, at int, exactlyOnce, lost, unlogged bool) (more bool, problem string) {
	c := newCluster(t, bells(unlogged), 1)
	c.config.ExactlyOnce = exactlyOnce
	x := &revived{cluster: c, disk: memoryDisk{}, lost: lost}
	c.order("north", 1, 1)
	x.rest()
	calls := x.crashAt(at)
	x.rest()
	c.onCall = nil
	x.rest()
	c.ids = 0 // the same customer
	c.order("north", 2, 2)
	x.rest()
	rung, count := map[string]int{}, 0
	for _, r := range c.broker.Read(broker.TopicPartition{Topic: totals.Name()}, 0) {
		var line totalLine
		if err := json.Unmarshal(r.Value, &line); err != nil {
			t.Fatal(err)
		}
		rung[string(r.Key)]++
		count = line.Total
	}
	x.process.mustClose()
	first, second := rung["first"], rung["second"]
	if first < 1 || second < 1 || count < 2 || exactlyOnce && (first != 1 || second != 1 || count != 2) {
		return *calls > at, fmt.Sprintf("the timers have rung %d and %d times, and %d are counted", first, second, count)
	}
	return *calls > at, ""
}

// A timer without a changelog that has rung while no record came is gone from the database too.
func TestATimerWithoutAChangelogRingsOnce(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		c := newCluster(t, bells(true), 1)
		c.config.ExactlyOnce = exactlyOnce
		d := memoryDisk{}
		p := c.mustStart(d)
		c.order("north", 1, 1)
		for range 3 {
			c.settle(p)
			p.mustClose()
			p = c.mustStart(d)
		}
		if n := len(c.broker.Read(broker.TopicPartition{Topic: totals.Name()}, 0)); n != 2 {
			t.Errorf("the timers have rung %d times, want 2", n)
		}
	})
}

// Another member may have changed a store without a changelog and no offset: the state of before does not fit then.
func TestAStoreWithoutAChangelogBeginsEmptyAfterTimersOfAnotherMember(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		timers, count := store.NewTimers("timers"), store.NewCell[int]("count").WithoutChangelog()
		topology := stream.NewTopology()
		topology.From(orders).Process(store.Group(func(o *store.Opener) bell { return bell{timers: o.Open(timers), count: o.Open(count)} }),
			func(b bell) weir.Processor[string, order, string, totalLine] { return &b }).To(totals)
		c := newCluster(t, topology, 1)
		c.config.ExactlyOnce = exactlyOnce
		d := memoryDisk{}
		p := c.mustStart(d)
		c.order("north", 1, 1)
		p.mustRun()
		p.mustClose()
		other := c.mustStart(memoryDisk{})
		c.settle(other) // which rings
		other.mustClose()
		log := c.logTo()
		c.mustStart(d).mustClose()
		if !strings.Contains(log.String(), beginEmpty) {
			t.Errorf("logged:\n%s", log)
		}
	})
}
