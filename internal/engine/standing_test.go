package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/stream"
)

// customers adds up the amounts of each customer, without a repartition topic.
func customers() *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).MapStateRecord(total, sumUp).To(totals)
	return t
}

// bothGuarantees runs a test at least once and exactly once.
func bothGuarantees(t *testing.T, f func(t *testing.T, exactlyOnce bool)) {
	t.Run("at least once", func(t *testing.T) { f(t, false) })
	t.Run("exactly once", func(t *testing.T) { f(t, true) })
}

// ordersTaken returns a cluster on which 20 orders of amount 1 were processed and checked in, 4 of each customer, and the process
// that did it.
func ordersTaken(t *testing.T, topology *stream.Topology, exactlyOnce bool, d disk) (*cluster, *process) {
	t.Helper()
	c := newCluster(t, topology, 1)
	c.config.ExactlyOnce = exactlyOnce
	p := c.mustStart(d)
	for i := range 20 {
		c.order("north", 1, int64(i))
	}
	c.settle(p)
	return c, p
}

// lastTotals returns the last total of each customer in the output.
func (c *cluster) lastTotals() map[string]int {
	c.t.Helper()
	return c.lastTotalsOf(totals.Name())
}

func (c *cluster) lastTotalsOf(topic string) map[string]int {
	c.t.Helper()
	got := map[string]int{}
	for _, r := range c.broker.Read(broker.TopicPartition{Topic: topic}, 0) {
		var l totalLine
		if err := json.Unmarshal(r.Value, &l); err != nil {
			c.t.Fatal(err)
		}
		got[l.Shop] = l.Total
	}
	return got
}

// expectReset sends an order of each customer after a reset, and expects that nothing older counts.
func (c *cluster) expectReset(t *testing.T, p *process) {
	t.Helper()
	for range 5 {
		c.order("north", 1, 100)
	}
	c.settle(p)
	if diff := gocmp.Diff(each(1), c.lastTotals()); diff != "" {
		t.Errorf("totals of what came after a reset (-want +got):\n%s", diff)
	}
}

func each(total int) map[string]int {
	want := map[string]int{}
	for i := range 5 {
		want[fmt.Sprintf("customer %d", i)] = total
	}
	return want
}

// Offsets expire while a group is away. State knows which input it reflects, wherever it is, and goes on there.
func TestStateGoesOnWhereItStandsWhenTheCommittedOffsetsAreForgotten(t *testing.T) {
	for _, kept := range []bool{true, false} {
		for _, inOrder := range []bool{true, false} {
			t.Run(fmt.Sprintf("database kept %v, stopped in order %v", kept, inOrder), func(t *testing.T) {
				bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
					d := memoryDisk{}
					c, p := ordersTaken(t, customers(), exactlyOnce, d)
					if inOrder {
						p.mustClose()
					} else {
						p.abandon()
					}
					if !kept {
						d.lose()
					}
					c.broker.Forget(groupName)
					if !exactlyOnce && !inOrder && !kept { // nobody knows whether the output is complete
						_, err := c.tryStart(d)
						if err == nil || !strings.Contains(err.Error(), "Config.Topics.OnLostInput") || !strings.Contains(err.Error(), "offset 20") {
							t.Fatalf("error %v does not say what is known", err)
						}
						c.config.LostInput = engine.LostContinue
					}
					for range 2 { // the second start finds what the first one has committed
						p = c.mustStart(d)
						for i := range 5 {
							c.order("north", 1, int64(20+i))
						}
						c.settle(p)
						p.mustClose()
					}
					if diff := gocmp.Diff(each(6), c.lastTotals()); diff != "" {
						t.Errorf("totals (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

// A restore that ended in the middle, or before the first checkpoint, has not forgotten where the state stands.
func TestARestoredDatabaseKnowsWhereItStands(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		d := memoryDisk{}
		c, p := ordersTaken(t, customers(), exactlyOnce, d)
		p.mustClose()
		d.lose()
		c.mustStart(d).abandon()
		c.broker.Forget(groupName)
		p = c.mustStart(d)
		for i := range 5 {
			c.order("north", 1, int64(20+i))
		}
		c.settle(p)
		if diff := gocmp.Diff(each(5), c.lastTotals()); diff != "" {
			t.Errorf("totals (-want +got):\n%s", diff)
		}
	})
}

// State whose next record is gone, or whose topic is another one by now, asks Config.Topics.OnLostInput, with committed offsets or
// without.
func TestStateThatCannotGoOnWhereItStandsIsLostInput(t *testing.T) {
	anew := func(c *cluster) {
		c.broker.DeleteTopic(orders.Name())
		if err := c.broker.CreateTopic(broker.TopicSpec{Name: orders.Name(), Partitions: 1, Replication: -1}); err != nil {
			c.t.Fatal(err)
		}
		for i := range 25 {
			c.order("north", 1, int64(i))
		}
	}
	for name, x := range map[string]struct {
		lose func(c *cluster)
		says string
		left int // amount per customer in what is left of the input
	}{
		"retention was faster, offsets forgotten": {func(c *cluster) {
			for i := range 10 {
				c.order("north", 1, int64(20+i))
			}
			if err := c.broker.DeleteRecords(broker.TopicPartition{Topic: orders.Name()}, 25); err != nil {
				c.t.Fatal(err)
			}
			c.broker.Forget(groupName)
		}, "offset 20 is out of range", 1},
		"topic made anew, offsets forgotten":   {func(c *cluster) { anew(c); c.broker.Forget(groupName) }, "made anew", 5},
		"topic made anew, offsets still there": {anew, "made anew", 5},
	} {
		for _, kept := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, database kept %v", name, kept), func(t *testing.T) {
				bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
					start := func() (*cluster, memoryDisk) {
						d := memoryDisk{}
						c, p := ordersTaken(t, customers(), exactlyOnce, d)
						p.mustClose()
						x.lose(c)
						if !kept {
							d.lose()
						}
						return c, d
					}
					c, d := start()
					_, err := c.tryStart(d)
					if err == nil || !strings.Contains(err.Error(), "Config.Topics.OnLostInput") || !strings.Contains(err.Error(), x.says) {
						t.Fatalf("error %v does not say %q and how to go on", err, x.says)
					}

					c.config.LostInput = engine.LostContinue
					p := c.mustStart(d)
					c.settle(p)
					p.mustClose()
					if diff := gocmp.Diff(each(4+x.left), c.lastTotals()); diff != "" {
						t.Errorf("totals of what is left (-want +got):\n%s", diff)
					}
					c.config.LostInput = engine.LostFail // it is known what the state reflects now
					c.broker.Forget(groupName)
					c.settle(c.mustStart(d))
					if diff := gocmp.Diff(each(4+x.left), c.lastTotals()); diff != "" {
						t.Errorf("totals after another start (-want +got):\n%s", diff)
					}

					c, d = start()
					c.config.LostInput = engine.LostReset
					p = c.mustStart(d)
					c.expectReset(t, p)
				})
			})
		}
	}
}

// A part without state does not know where it stands. If there is state behind its repartition topic, that would count again.
func TestInputThatCountsInALaterPartIsNotReadTwiceWhenItsOffsetsAreForgotten(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		c, p := ordersTaken(t, pipeline(), exactlyOnce, memoryDisk{})
		p.mustClose()
		c.broker.Forget(groupName)
		_, err := c.tryStart(memoryDisk{})
		if err == nil || !strings.Contains(err.Error(), "Config.Topics.OnLostInput") || !strings.Contains(err.Error(), "orders[0]") {
			t.Fatalf("error %v does not name the input and how to go on", err)
		}
		c.config.LostInput = engine.LostReset // of a part without state: go on with what comes
		p = c.mustStart(memoryDisk{})
		c.order("north", 1, 100)
		c.settle(p)
		if got := c.fold().totals["north"]; got != 21 {
			t.Errorf("the repartition topic holds orders for %d, want 21", got)
		}
		c.checkState(p)
	})
}

// A process that dies before its first checkpoint has committed where it began: the next one takes nothing for forgotten.
func TestACrashBeforeTheFirstCheckpointIsNoLostInput(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		c := newCluster(t, pipeline(), 2)
		c.config.ExactlyOnce = exactlyOnce
		c.broker.DeliverOnSend = true
		c.onCall = func(op simbroker.Op) error {
			if op.Kind == simbroker.OpCommit && !op.After && len(c.broker.Committed(groupName)) > 0 {
				return errCrash
			}
			return nil
		}
		for i := range 20 {
			c.order("north", 1, int64(i))
		}
		var err error
		p, err := c.start(memoryDisk{}, "static")
		for err == nil {
			err = p.run()
			c.clock.Advance(interval)
			if exactlyOnce && err == nil {
				p.abandon()
				break
			}
		}
		if err != nil && !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		c.onCall = nil
		p = c.mustStart(memoryDisk{})
		c.settle(p)
		c.checkState(p)
	})
}

// Exactly once, a changelog may be cut behind the marker that ends the last transaction: nothing is missing then.
func TestStateIsKeptWhenTheChangelogWasCutBehindTheLastTransaction(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		d := memoryDisk{}
		c, p := ordersTaken(t, customers(), exactlyOnce, d)
		p.mustClose()
		changelog := broker.TopicPartition{Topic: c.plan.SubTopologies[0].Stores[0].Changelog}
		if err := c.broker.DeleteRecords(changelog, -1); err != nil {
			t.Fatal(err)
		}
		p = c.mustStart(d)
		for i := range 5 {
			c.order("north", 1, int64(20+i))
		}
		c.settle(p)
		if diff := gocmp.Diff(each(5), c.lastTotals()); diff != "" {
			t.Errorf("totals (-want +got):\n%s", diff)
		}
	})
}
