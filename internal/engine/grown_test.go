package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// startGrown starts a process, and gives it a partition that was added while it ran.
func startGrown(t *testing.T, topology *stream.Topology) error {
	t.Helper()
	c := newCluster(t, topology, 2)
	p := c.mustStart(memoryDisk{})
	p.mustRun()
	if err := c.broker.AddPartitions(orders.Name(), 5); err != nil {
		t.Fatal(err)
	}
	event := &broker.GroupEvent{Kind: broker.Assigned, Partitions: []broker.TopicPartition{{Topic: orders.Name(), Partition: 3}}, Done: func() {}}
	return p.do(func() error { return p.assignment.Handle(t.Context(), event) })
}

func TestPartitionsThatAreAddedToTheInputOfStateAreRefused(t *testing.T) {
	topology := stream.NewTopology()
	stream.TableOf(topology.From(topicA), "rows").To(topicOut)
	err := startGrown(t, topology)
	if err == nil {
		t.Fatal("the partition is accepted")
	}
	for _, want := range []string{
		`task orders/3: topic "orders" has 5 partitions, and the state behind it was made for 2`, "changelog__g--orders--rows",
		"two ways out", "make the topic anew with 2 partitions", "build the state anew for 5 partitions",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

// State without a changelog is refused in the same way while it runs, and begins empty at the next start.
func TestPartitionsThatAreAddedToTheInputOfStoresWithoutAChangelogAreRefused(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(topicA).MapStateRecord(store.NewCell[int]("count").WithoutChangelog(),
		func(_ context.Context, c *store.Cell[int], r weir.Record[string, string]) (string, error) {
			n, _ := c.Get()
			c.Set(n + 1)
			return r.Value, nil
		}).To(topicOut)
	err := startGrown(t, topology)
	if err == nil {
		t.Fatal("the partition is accepted")
	}
	for _, want := range []string{
		`task orders/3: topic "orders" has 5 partitions, and the state behind it was made for 2 (stores without a changelog: count)`,
		"two ways out", "make the topic anew with 2 partitions", "begin with empty stores for 5 partitions",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

func TestPartitionsThatAreAddedToTheInputOfAStatelessStreamAreRead(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(topicA).To(topicOut)
	if err := startGrown(t, topology); err != nil {
		t.Error(err)
	}
}

// After a restart the same is said by the check of the topics, once for all stores behind the topic.
func TestPartitionsThatWereAddedToTheInputOfStateAreRefusedAtTheStart(t *testing.T) {
	topology := stream.NewTopology()
	s := topology.From(topicA)
	stream.TableOf(s, "rows").To(topicOut)
	stream.TableOf(s, "others").Stream().Peek(func(string) {})
	c := newCluster(t, topology, 2)
	if err := c.broker.AddPartitions(orders.Name(), 5); err != nil {
		t.Fatal(err)
	}
	_, err := provision.Prepare(t.Context(), c.broker, c.plan, provision.Options{Logger: c.config.Logger})
	if err == nil {
		t.Fatal("the topics are accepted")
	}
	if n := strings.Count(err.Error(), "two ways out"); n != 1 {
		t.Errorf("the problem is named %d times:\n%v", n, err)
	}
	if want := `topic "orders" has 5 partitions, and the state behind it was made for 2 (changelogs: changelog__g--orders--rows, changelog__g--orders--others)`; !strings.Contains(err.Error(), want) {
		t.Errorf("the error does not say %q:\n%v", want, err)
	}
}

// The tasks of two merged topics run for all partitions of the one with more. Those that the other one gets later belong to tasks that
// run already: nobody read them before the next rebalance that moved the task.
func TestPartitionsThatAreAddedToOneOfTwoMergedTopicsAreRead(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		t.Run(fmt.Sprintf("exactly once %v", exactlyOnce), func(t *testing.T) {
			c := newMerged(t)
			c.config.ExactlyOnce, c.config.RevokeTimeout = exactlyOnce, time.Minute
			a1, b1 := broker.TopicPartition{Topic: "orders", Partition: 1}, broker.TopicPartition{Topic: "totals", Partition: 1}
			p := c.mustStart(memoryDisk{})
			if err := c.broker.AddPartitions("orders", 2); err != nil {
				t.Fatal(err)
			}
			c.write(a1, 1)
			p.mustRun()
			c.write(a1, 2) // is not committed when the other partition comes
			if err := c.broker.AddPartitions("totals", 2); err != nil {
				t.Fatal(err)
			}
			c.write(b1, 3)
			p.mustRun()
			p.mustClose()
			var got []string
			for _, r := range c.broker.Read(out0, 0) {
				got = append(got, string(r.Value))
			}
			if diff := gocmp.Diff([]string{"A1", "A2", "B3"}, got); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			committed := c.broker.Committed(groupName)
			if diff := gocmp.Diff(map[broker.TopicPartition]int64{a1: 2, b1: 1}, map[broker.TopicPartition]int64{a1: committed[a1], b1: committed[b1]}); diff != "" {
				t.Errorf("committed offsets (-want +got):\n%s", diff)
			}
		})
	}
}

// A worker knows the partitions of the time when it began. The offsets of those that were added since count as well when it looks whether
// the group has forgotten a topic: no other partition may have a committed offset yet.
func TestPartitionsThatAreAddedOneAfterTheOtherAreNotForgotten(t *testing.T) {
	c := newCluster(t, pipeline(), 1)
	c.workers, c.broker.DeliverOnSend = 2, true
	add := func(count int32) {
		t.Helper()
		if err := c.broker.AddPartitions(orders.Name(), count); err != nil {
			t.Fatal(err)
		}
	}
	write := func(partition int32) {
		t.Helper()
		value, err := json.Marshal(order{Shop: "a", Amount: 1})
		if err == nil {
			err = c.broker.Append(broker.TopicPartition{Topic: orders.Name(), Partition: partition}, broker.Record{Value: value, Millis: 1})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	p, err := c.start(memoryDisk{}, "")
	if err != nil {
		t.Fatal(err)
	}
	// until lets one worker run, and the member hear of its group.
	until := func(worker int, reached func() bool) {
		t.Helper()
		for range 1000 {
			if reached() {
				return
			}
			err := p.do(func() error {
				event, err := p.group.Poll(t.Context(), 0)
				if err == nil && event != nil {
					err = p.assignment.Handle(t.Context(), event)
				}
				if err == nil {
					_, err = p.workers[worker].Step(t.Context(), 0)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			c.clock.Advance(interval / 10)
		}
		t.Fatal("the worker does not come so far")
	}
	committed := func(partition int32, offset int64) func() bool {
		return func() bool {
			return c.broker.Committed(groupName)[broker.TopicPartition{Topic: orders.Name(), Partition: partition}] == offset
		}
	}
	add(2)
	for n := range int32(2) {
		write(n)
	}
	until(0, func() bool { return c.broker.End(broker.TopicPartition{Topic: totalChangelog}) > 0 })
	until(1, committed(1, 1))
	// As if the first worker were slower, and had claimed its changelogs only: no offset of the first partition is committed.
	c.broker.Forget(groupName, orders.Name())
	write(1)
	until(1, committed(1, 2))
	if _, ok := c.broker.Committed(groupName)[broker.TopicPartition{Topic: orders.Name()}]; ok {
		t.Fatal("the first partition has a committed offset, so nothing is shown")
	}
	add(3)
	write(2)
	until(1, committed(2, 1))
	until(0, committed(0, 1))
}
