package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/stream"
)

// byShop writes each order to the topic of its shop.
func byShop(t *testing.T, exactlyOnce bool) *cluster {
	topology := stream.NewTopology()
	template := orders.WithPartitions(2).WithConfig(map[string]string{"cleanup.policy": "compact"})
	topology.From(orders).ToDynamic(template, func(_ context.Context, r weir.Record[string, order]) (string, error) { return r.Value.Shop, nil })
	c := newCluster(t, topology, 1)
	c.config.ExactlyOnce, c.config.Replication = exactlyOnce, -1
	return c
}

// count returns the number of records of a topic, by partition.
func (c *cluster) count(topic string) (counts []int) {
	info, err := c.broker.Topics(context.Background(), topic)
	if err != nil {
		c.t.Fatal(err)
	}
	for n := range info[topic].Partitions {
		counts = append(counts, len(c.broker.Read(broker.TopicPartition{Topic: topic, Partition: n}, 0)))
	}
	return counts
}

func TestATopicThatAFunctionNamesIsCreatedWithTheSettingsOfTheTemplate(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		c := byShop(t, exactlyOnce)
		c.config.CreateTopics = true
		calls := map[simbroker.OpKind]int{}
		p := c.mustStart(memoryDisk{})
		c.onCall = func(op simbroker.Op) error {
			if !op.After {
				calls[op.Kind]++
			}
			return nil
		}
		for range 50 { // keys of 5 customers
			c.order("north", 1, begin.UnixMilli())
			c.order("south", 1, begin.UnixMilli())
		}
		p.mustRun()
		c.onCall = nil
		if lookups, created := calls[simbroker.OpTopics], calls[simbroker.OpCreateTopics]; lookups > 4 || created != 2 {
			t.Errorf("%d lookups and %d creations for two topics", lookups, created)
		}
		p.mustClose()
		for _, shop := range []string{"north", "south"} {
			counts := c.count(shop)
			if len(counts) != 2 || counts[0]+counts[1] != 50 || counts[0] == 0 || counts[1] == 0 {
				t.Errorf("%s: records by partition: %v", shop, counts)
			}
			info, _ := c.broker.Topics(context.Background(), shop)
			if policy := info[shop].Config["cleanup.policy"]; policy != "compact" {
				t.Errorf("%s: cleanup.policy is %q", shop, policy)
			}
		}
	})
}

func TestATopicThatDoesNotExistIsAnErrorOfTheRecordThatNeedsIt(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		c := byShop(t, exactlyOnce)
		if err := c.broker.CreateTopic(broker.TopicSpec{Name: "north", Partitions: 1, Replication: -1}); err != nil {
			t.Fatal(err)
		}
		var failed []string
		c.config.Errors.Decide = func(err *weir.FailedRecord) weir.ErrorAction {
			var produce *weir.ProduceError
			if !errors.As(err, &produce) || err.Node != "todynamic-1" || !strings.Contains(err.Site, "dynamic_test.go:") {
				t.Errorf("error %v", err)
			}
			failed = append(failed, fmt.Sprintf("%d %s", err.Offset, err.Err))
			return weir.Skip
		}
		p := c.mustStart(memoryDisk{})
		lookups := 0
		c.onCall = func(op simbroker.Op) error {
			if op.Kind == simbroker.OpTopics && !op.After {
				lookups++
			}
			return nil
		}
		for _, shop := range []string{"north", "south", "south", "", "a/b", "orders", repartition, "north"} {
			c.order(shop, 1, begin.UnixMilli())
		}
		p.mustRun()
		if lookups != 2 {
			t.Errorf("%d lookups, want one of north and one of south", lookups)
		}
		// The cluster is asked again a second later.
		if err := c.broker.CreateTopic(broker.TopicSpec{Name: "south", Partitions: 1, Replication: -1}); err != nil {
			t.Fatal(err)
		}
		c.clock.Advance(2 * time.Second)
		c.order("south", 1, begin.UnixMilli())
		p.mustRun()
		p.mustClose()
		missing := "produce to south: the topic does not exist: create it, or set Config.Topics.Create"
		want := []string{
			"1 " + missing, "2 " + missing,
			"3 produce to : the name is empty: the function that computes the topic has returned this name",
			"4 produce to a/b: the character at 1 is not a letter, digit, '.', '_' or '-': the function that computes the topic has returned this name",
			"5 produce to orders: the application reads the topic, and its records could come back to it without end: " +
				"write a topic that is read with To, so that it is checked at the start",
			"6 produce to " + repartition + ": names that begin with changelog__, repartition__, slots__ or deadletters__ belong to internal topics",
		}
		if diff := gocmp.Diff(want, failed); diff != "" {
			t.Errorf("errors (-want +got):\n%s", diff)
		}
		if diff := gocmp.Diff([][]int{{2}, {1}}, [][]int{c.count("north"), c.count("south")}); diff != "" {
			t.Errorf("records of north and south (-want +got):\n%s", diff)
		}
	})
}

func TestARecordThatTheClusterRefusesIsBlamedOnTheNodeThatNamedItsTopic(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		c := byShop(t, exactlyOnce)
		c.config.CreateTopics = true
		p := c.mustStart(memoryDisk{})
		c.order("north", 1, begin.UnixMilli())
		p.mustRun()
		c.clock.Advance(interval)
		p.mustRun() // to a checkpoint
		if err := c.broker.Configure("north", "message.timestamp.after.max.ms", "60000"); err != nil {
			t.Fatal(err)
		}
		c.order("north", 1, begin.Add(48*time.Hour).UnixMilli())
		err := p.run()
		if err == nil {
			err = p.close()
		}
		failed, ok := errors.AsType[*weir.ProcessingError](err)
		if !ok || failed.Node != "todynamic-1" || failed.Offset != 1 || !strings.Contains(err.Error(), "produce to north[") {
			t.Errorf("got %v", err)
		}
	})
}

func TestNoTopicIsUnknownWhileTheClusterCannotBeAsked(t *testing.T) {
	c := byShop(t, false)
	c.config.Errors.Decide = func(err *weir.FailedRecord) weir.ErrorAction {
		t.Errorf("the policy was asked about %v", err)
		return weir.Skip
	}
	p := c.mustStart(memoryDisk{})
	c.onCall = func(op simbroker.Op) error {
		if op.Kind == simbroker.OpTopics {
			return weir.ErrUnavailable
		}
		return nil
	}
	c.order("north", 1, begin.UnixMilli())
	if err := p.run(); err == nil {
		t.Error("the record was processed")
	}
	if at := c.broker.Committed(groupName)[broker.TopicPartition{Topic: orders.Name()}]; at != 0 {
		t.Errorf("committed offset %d", at)
	}
}
