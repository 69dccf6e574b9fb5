package engine_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
)

// waiters has an order wait for two rows that never come, in two stores of one task.
func waiters(unlogged bool) *stream.Topology {
	none := join.LookupFunc[int, int](func(context.Context, []int, []*int) error { return nil })
	amount := func(o order) int { return o.Amount }
	same := func(o order, _ *int) order { return o }
	wait := 2 * interval
	t := stream.NewTopology()
	first := t.From(orders).LeftJoinLookup(join.Buffered(none, wait).Name("first"), amount, same)
	second := first.LeftJoinLookup(join.Buffered(none, wait).Name("second"), amount, same)
	if unlogged {
		first.WithoutChangelog()
		second.WithoutChangelog()
	}
	second.
		Map(func(o order) totalLine { return totalLine{Total: o.Amount} }).
		To(totals)
	return t
}

// asOfWaiters has an order wait for matches that never come, in two stores of one task.
func asOfWaiters(unlogged bool) *stream.Topology {
	t := stream.NewTopology()
	all := t.From(orders)
	none := all.Filter(func(order) bool { return false })
	same := func(o order, _ *order) order { return o }
	d := join.AsOf{}.Wait(2 * interval)
	first := all.LeftJoinAsOf(none, d.Name("first"), same)
	second := first.LeftJoinAsOf(none, d.Name("second"), same)
	if unlogged {
		first.WithoutChangelog()
		second.WithoutChangelog()
	}
	second.
		Map(func(o order) totalLine { return totalLine{Total: o.Amount} }).
		To(totals)
	return t
}

// eachWaiter runs a test for all joins with records that wait by the clock.
func eachWaiter(t *testing.T, test func(t *testing.T, topology func(unlogged bool) *stream.Topology)) {
	t.Run("buffered lookup", func(t *testing.T) { test(t, waiters) })
	t.Run("as-of join", func(t *testing.T) { test(t, asOfWaiters) })
}

// Records that wait in stores leave them by the clock, while no record comes. None is lost at whatever call the process dies.
func TestACrashAtAnyCallLosesNoRecordThatWaitsByTheClock(t *testing.T) {
	eachWaiter(t, func(t *testing.T, topology func(bool) *stream.Topology) {
		for _, exactlyOnce := range []bool{false, true} {
			for _, lost := range []bool{false, true} {
				for at, more := 0, true; more; at++ {
					var n int
					if more, n = waitersCrash(t, topology(false), at, exactlyOnce, lost); n == 0 || exactlyOnce && n != 1 {
						t.Errorf("exactly once %v, disk lost %v, crash at call %d: the record was emitted %d times", exactlyOnce, lost, at, n)
					}
				}
			}
		}
	})
}

// The same is true of waiting records without a changelog as long as the disk comes back.
func TestACrashAtAnyCallLosesNoRecordThatWaitsWithoutAChangelog(t *testing.T) {
	eachWaiter(t, func(t *testing.T, topology func(bool) *stream.Topology) {
		for _, exactlyOnce := range []bool{false, true} {
			for at, more := 0, true; more; at++ {
				var n int
				if more, n = waitersCrash(t, topology(true), at, exactlyOnce, false); n == 0 || exactlyOnce && n != 1 {
					t.Errorf("exactly once %v, crash at call %d: the record was emitted %d times", exactlyOnce, at, n)
				}
			}
		}
	})
}

// waitersCrash returns how often the record was emitted, and reports false if there are not so many calls.
func waitersCrash(t *testing.T, topology *stream.Topology, at int, exactlyOnce, lost bool) (more bool, emitted int) {
	c := newCluster(t, topology, 1)
	c.config.ExactlyOnce = exactlyOnce
	x := &revived{cluster: c, disk: memoryDisk{}, lost: lost}
	x.settle()
	c.order("north", 1, 1)
	x.settle()
	calls := x.crashAt(at)
	x.rest()
	x.rest()
	c.onCall = nil
	x.rest()
	for _, r := range c.broker.Read(broker.TopicPartition{Topic: totals.Name()}, 0) {
		var line totalLine
		if err := json.Unmarshal(r.Value, &line); err != nil {
			t.Fatal(err)
		}
		emitted++
	}
	return *calls > at, emitted
}
