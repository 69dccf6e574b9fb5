package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/engine/pausing"
	"github.com/weirstreams/weir/stream"
)

// A window waits for the records of a paused input, whether its own task is paused or the one in front, and however long input is silent. The
// lag of the paused input goes on to be known.
func TestEventTimeDoesNotPassAPausedInput(t *testing.T) {
	for part, name := range []string{"the task in front", "the task of the windows"} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, pipeline(), 1)
			c.config.IdleTimeout, c.config.Pauses = 8*time.Second, new(pausing.Switch)
			p := c.mustStart(memoryDisk{})
			at := c.clock.Now().UnixMilli()
			c.order("north", 1, at)
			p.mustRun()
			parts := make([]bool, 2)
			parts[part] = true
			c.config.Pauses.Set(parts)
			p.mustRun()
			c.order("north", 2, at+1)
			passAMinute(c, p)
			if got := c.broker.Read(broker.TopicPartition{Topic: windows.Name()}, 0); len(got) != 0 {
				t.Fatalf("%d windows were closed while a record waits", len(got))
			}
			if s := p.status()[part]; !s.Paused || s.Lag == 0 {
				t.Errorf("the status of the paused task is %+v", s)
			}
			c.config.Pauses.Set(nil)
			passAMinute(c, p)
			got := c.broker.Read(broker.TopicPartition{Topic: windows.Name()}, 0)
			var line windowLine
			if len(got) != 1 || json.Unmarshal(got[0].Value, &line) != nil || line.Sum != 3 {
				t.Errorf("%d windows, the last with the sum %d, want one with 3", len(got), line.Sum)
			}
		})
	}
}

func passAMinute(c *cluster, p *process) {
	for range 60 {
		c.clock.Advance(time.Second)
		p.mustRun()
	}
}

// A task that is paused in the middle of a batch has a checkpoint of the records before, and its transaction is over; it goes on with the
// next record. Exactly once no other record is written twice.
func TestAPauseInTheMiddleOfABatchMakesACheckpoint(t *testing.T) {
	const records = 50
	for _, exactly := range []bool{false, true} {
		t.Run(fmt.Sprint("exactly once ", exactly), func(t *testing.T) {
			c := newCluster(t, plain(), 1)
			c.config.ExactlyOnce, c.config.CheckpointInterval, c.config.Pauses = exactly, time.Hour, new(pausing.Switch)
			commits := 0
			c.onCall = func(op simbroker.Op) error {
				if (op.Kind == simbroker.OpCommit || op.Kind == simbroker.OpEndTransaction) && op.After {
					commits++
				}
				return nil
			}
			p := c.mustStart(memoryDisk{})
			for i := range records {
				c.order("north", i, int64(i))
			}
			for p.status()[0].Processed == 0 {
				if _, err := p.step(); err != nil {
					t.Fatal(err)
				}
			}
			before := commits
			c.config.Pauses.Set([]bool{true})
			p.mustRun()
			done := p.status()[0].Processed
			in := broker.TopicPartition{Topic: orders.Name()}
			if committed := c.broker.Committed(groupName)[in]; committed != done || commits == before || p.workers[0].Dirty() {
				t.Errorf("%d of %d processed records are committed by %d commits", committed, done, commits-before)
			}
			if done == records {
				t.Fatal("the task was not paused in the middle of its input")
			}
			c.config.Pauses.Set(nil)
			p.mustRun()
			if err := p.workers[0].Checkpoint(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := len(c.broker.Read(broker.TopicPartition{Topic: totals.Name()}, 0)); got != records {
				t.Errorf("%d records were written for %d", got, records)
			}
			p.mustClose()
		})
	}
}

// While a process drains, a task takes records from outside only in front of internal ones that it holds. The next process goes on with the rest.
func TestADrainingTaskTakesFromOutsideNoMoreThanInternalRecordsWaitFor(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(topicA).GroupBy("again", func(v string) string { return v }).Merge(topology.From(topicB)).To(topicOut)
	c := newCluster(t, topology, 1)
	c.config.Pauses = new(pausing.Switch)
	c.config.Pauses.Drain()
	c.write(a0, 1, 10)
	c.write(b0, 0, 5, 20, 30)
	p := c.mustStart(memoryDisk{})
	passAMinute(c, p)
	c.expectOrder(p, "B0 A1 B5 A10")
	c.write(b0, 40)
	passAMinute(c, p)
	c.expectOrder(p, "B0 A1 B5 A10")
	p.mustClose()
	c.config.Pauses = nil
	p = c.mustStart(memoryDisk{})
	passAMinute(c, p)
	c.expectOrder(p, "B0 A1 B5 A10 B20 B30 B40")
}
