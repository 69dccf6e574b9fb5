package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/stream"
)

func TestAStopComesBetweenTheRecordsOfABatch(t *testing.T) {
	const records = 400
	var c *cluster
	processed, took := 0, time.Duration(0)
	topology := stream.NewTopology()
	topology.From(orders).MapRecord(func(_ context.Context, r weir.Record[string, order]) (totalLine, error) {
		processed++
		c.clock.Advance(took)
		return totalLine{r.Key, r.Origin.Partition, r.Origin.Offset, r.Value.Amount}, nil
	}).To(totals)
	c = newCluster(t, topology, 1)
	c.config.CheckpointInterval = time.Hour
	for i := range records {
		c.order("north", i, int64(i))
	}
	in := broker.TopicPartition{Topic: orders.Name()}

	took = time.Second
	p, err := c.start(memoryDisk{}, "static")
	if err != nil {
		t.Fatal(err)
	}
	for processed == 0 {
		if _, err := p.step(); err != nil {
			t.Fatal(err)
		}
	}
	if processed > 50 {
		t.Errorf("the first step took %d records of %v each", processed, took)
	}
	for range 10 {
		if _, err := p.step(); err != nil {
			t.Fatal(err)
		}
	}
	if processed == records {
		t.Fatal("the batch was over before the stop")
	}
	p.mustClose()
	if got := c.broker.Committed(groupName)[in]; got != int64(processed) {
		t.Errorf("%d records were processed before the stop, and %d is committed", processed, got)
	}

	took = 0
	q := c.mustStart(memoryDisk{})
	q.mustRun()
	q.mustClose()
	if processed != records {
		t.Errorf("%d records were processed, of %d", processed, records)
	}
	if got := len(c.broker.Read(broker.TopicPartition{Topic: totals.Name()}, 0)); got != records {
		t.Errorf("%d records were written, of %d", got, records)
	}
}
