package engine_test

import (
	"strings"
	"testing"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine"
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
	_, err := engine.PrepareTopics(t.Context(), c.broker, c.plan, engine.TopicOptions{Logger: c.config.Logger})
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
