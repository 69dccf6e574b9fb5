package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/store"
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
					for range 5 {
						c.order("north", 1, 100)
					}
					c.settle(p)
					if diff := gocmp.Diff(each(1), c.lastTotals()); diff != "" {
						t.Errorf("totals of what came after a reset (-want +got):\n%s", diff)
					}
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

// numbered counts the records of both topics by their values.
func numbered() *stream.Topology {
	t := stream.NewTopology()
	t.From(topicA).Merge(t.From(topicB)).
		MapStateRecord(store.NewCell[int]("count"), func(_ context.Context, c *store.Cell[int], r weir.Record[string, string]) (string, error) {
			n, _ := c.Get()
			c.Set(n + 1)
			return fmt.Sprintf("%s:%d", r.Value, n+1), nil
		}).To(topicOut)
	return t
}

// A restore may end in the middle of a step, which would go on with the first records of the task: a process that has lost the task
// would leave changes of state before anything is committed, and its successor would take them for state whose offsets expired.
func TestATaskWritesNothingBeforeItsStartIsCommitted(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		c := newCluster(t, numbered(), 1)
		c.config.ExactlyOnce, c.config.CheckpointRecords = exactlyOnce, 1
		c.write(a0, 10, 12)
		c.write(b0, 11, 13)
		changelog := broker.TopicPartition{Topic: c.plan.SubTopologies[0].Stores[0].Changelog}
		// A former owner has claimed the task, and another claim comes between the one that the process has seen and its own: so it
		// has to read the changelog to start.
		claim := broker.Record{Key: []byte("\x00\xff__weir_owner_of_the_task__\xff\x00"), Value: make([]byte, 16)}
		claim.Headers = []weir.Header{{Key: "__owner__", Value: claim.Value}}
		if err := c.broker.Append(changelog, claim); err != nil {
			t.Fatal(err)
		}
		crashed := errors.New("the first commit fails")
		commit, claims := simbroker.OpCommit, 1
		if exactlyOnce {
			commit, claims = simbroker.OpCommitTransaction, 0
		}
		var sent []broker.TopicPartition
		c.onCall = func(op simbroker.Op) error {
			switch {
			case op.Kind == simbroker.OpSend && !op.After:
				sent = append(sent, op.TopicPartition)
				if len(sent) <= claims {
					return c.broker.Append(changelog, claim)
				}
			case op.Kind == commit && !op.After:
				return crashed
			}
			return nil
		}
		d := memoryDisk{}
		p, err := c.start(d, "lost")
		for err == nil {
			err = p.run()
			c.clock.Advance(interval)
		}
		if !errors.Is(err, crashed) {
			t.Fatal(err)
		}
		if len(sent) != claims {
			t.Errorf("written before the start was committed: %v, want %d claims", sent, claims)
		}
		c.onCall = nil
		for _, d := range []memoryDisk{d, {}} {
			p := c.mustStart(d)
			c.settle(p)
			p.mustClose()
		}
		c.expectOrder(c.mustStart(memoryDisk{}), "A10:1 B11:1 A12:1 B13:1")
	})
}

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

// makeAnew deletes the topic of the orders and makes it anew, with n of them.
func (c *cluster) makeAnew(n int) {
	c.t.Helper()
	c.broker.DeleteTopic(orders.Name())
	if err := c.broker.CreateTopic(broker.TopicSpec{Name: orders.Name(), Partitions: 1, Replication: -1}); err != nil {
		c.t.Fatal(err)
	}
	for i := range n {
		c.order("north", 1, int64(i))
	}
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
		c.makeAnew(10)
		c.broker.Forget(groupName)
		c.settle(c.mustStart(d))
		if diff := gocmp.Diff(each(2), c.lastTotals()); diff != "" {
			t.Errorf("totals (-want +got):\n%s", diff)
		}
	})
}

// A start behind lost input is committed, although there is nothing left to read: the next start does not meet the loss again.
func TestAStartBehindLostInputIsCommitted(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		d := memoryDisk{}
		c, p := ordersTaken(t, customers(), exactlyOnce, d)
		p.mustClose()
		for i := range 5 {
			c.order("north", 1, int64(20+i))
		}
		if err := c.broker.DeleteRecords(broker.TopicPartition{Topic: orders.Name()}, 25); err != nil {
			t.Fatal(err)
		}
		c.config.LostInput = engine.LostContinue
		p = c.mustStart(d)
		c.settle(p)
		p.mustClose()
		if got := c.broker.Committed(groupName)[broker.TopicPartition{Topic: orders.Name()}]; got != 25 {
			t.Errorf("offset %d is committed, want 25", got)
		}
	})
}
