package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

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
