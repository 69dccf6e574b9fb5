package engine_test

import (
	"errors"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/engine"
)

// ordersAnew deletes the topic of the orders, and makes another one of that name with n orders of amount 1.
func (c *cluster) ordersAnew(n int) {
	c.t.Helper()
	c.broker.DeleteTopic(orders.Name())
	if err := c.broker.CreateTopic(broker.TopicSpec{Name: orders.Name(), Partitions: 1, Replication: -1}); err != nil {
		c.t.Fatal(err)
	}
	for i := range n {
		c.order("north", 1, int64(i))
	}
}

// A process may die at any of the commits after it has gone on with a topic that was made anew, before the commit or after it, and
// lose its database: nothing of the topic is skipped, nothing counts twice, and what came of the former topic stays.
func TestACrashAfterLostInputSkipsNothing(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		commit := simbroker.OpCommit
		if exactlyOnce {
			commit = simbroker.OpEndTransaction
		}
		for _, after := range []bool{false, true} {
			for _, lost := range []bool{false, true} {
				for at := range 6 {
					d := memoryDisk{}
					c, p := ordersTaken(t, customers(), exactlyOnce, d)
					p.mustClose()
					c.ordersAnew(25)
					c.config.LostInput, c.config.CheckpointRecords = engine.LostContinue, 5
					commits := 0
					c.onCall = func(op simbroker.Op) error {
						if op.Kind == commit && op.After == after {
							if commits++; commits > at {
								return errCrash
							}
						}
						return nil
					}
					p, err := c.start(d, "static")
					for err == nil {
						err = p.run()
						c.clock.Advance(interval)
						if commits <= at && err == nil {
							c.order("north", 0, 1) // so that there is something to commit
						}
					}
					if !errors.Is(err, errCrash) {
						t.Fatal(err)
					}
					c.onCall = nil
					if lost {
						d.lose()
					}
					for range 2 { // the second start lacks the database again
						p = c.mustStart(d)
						c.settle(p)
						p.mustClose()
						if lost {
							d.lose()
						}
					}
					for range 5 {
						c.order("north", 1, 30)
					}
					p = c.mustStart(d)
					c.settle(p)
					p.mustClose()
					if diff := gocmp.Diff(each(10), c.lastTotals()); diff != "" {
						t.Errorf("totals after a crash at commit %d, after it %v, database lost %v (-want +got):\n%s", at, after, lost, diff)
					}
				}
			}
		}
	})
}

// Changes that came of a former topic count in every restore, whatever offsets the topic of that name has come to, and also if their
// offsets were never committed: nobody can process that input again.
func TestARestoreFindsWhatCameOfAFormerTopic(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		d := memoryDisk{}
		c, p := ordersTaken(t, customers(), exactlyOnce, d)
		p.mustClose()
		c.config.LostInput = engine.LostContinue
		for round, orders := range []int{2, 1, 3} { // so that most rows are those of former topics
			c.ordersAnew(orders)
			p = c.mustStart(d)
			c.settle(p)
			p.mustClose()
			d.lose()
			c.mustStart(d).mustClose()
			if round == 1 {
				c.broker.Forget(groupName)
				d.lose()
			}
		}
		for range 5 {
			c.order("north", 1, 20)
		}
		p = c.mustStart(d)
		c.settle(p)
		want := each(4 + 1 + 1)
		want["customer 0"]++
		if diff := gocmp.Diff(want, c.lastTotals()); diff != "" {
			t.Errorf("totals (-want +got):\n%s", diff)
		}
	})
}

// A position that was committed before anything was processed is that of its topic: another one of the name is read from the start.
func TestAStartPositionIsNotUsedInATopicThatWasMadeAnew(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		d := memoryDisk{}
		c := newCluster(t, customers(), 1)
		c.config.ExactlyOnce = exactlyOnce
		for i := range 5 {
			c.order("north", 1, int64(i))
		}
		if err := c.broker.DeleteRecords(broker.TopicPartition{Topic: orders.Name()}, 5); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second one finds what the first one has committed
			p := c.mustStart(d)
			c.settle(p)
			p.abandon()
		}
		c.ordersAnew(10)
		c.broker.Forget(groupName)
		c.settle(c.mustStart(d))
		if diff := gocmp.Diff(each(2), c.lastTotals()); diff != "" {
			t.Errorf("totals (-want +got):\n%s", diff)
		}
	})
}
