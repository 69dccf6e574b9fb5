package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/stream"
)

// muteProducer commits, and says that it does not know.
type muteProducer struct {
	broker.Producer
	mute *bool
}

func (p muteProducer) Commit(
	ctx context.Context, member broker.GroupMember, offsets map[broker.TopicPartition]int64, details broker.CommitDetails,
) error {
	if !*p.mute {
		return p.Producer.Commit(ctx, member, offsets, details)
	}
	*p.mute = false
	if err := p.Producer.Commit(context.WithoutCancel(ctx), member, offsets, details); err != nil {
		return err
	}
	<-ctx.Done()
	return fmt.Errorf("the answer took too long: %w", broker.ErrUndecided)
}

// plain copies orders, and has no state.
func plain() *stream.Topology {
	topology := stream.NewTopology()
	topology.From(orders).MapRecord(func(_ context.Context, r weir.Record[string, order]) (totalLine, error) {
		return totalLine{r.Key, r.Origin.Partition, r.Origin.Offset, r.Value.Amount}, nil
	}).To(totals)
	return topology
}

// A transaction that was committed although its answer did not come in time for a rebalance is not done again by the tasks
// that stay.
func TestAnUndecidedTransactionBeforeARebalanceCountsOnce(t *testing.T) {
	const records = 40
	c := newCluster(t, plain(), 2)
	c.config.ExactlyOnce, c.config.CheckpointInterval, c.config.RevokeTimeout = true, time.Hour, 100*time.Millisecond
	mute := false
	c.wrap = func(p broker.Producer) broker.Producer { return muteProducer{p, &mute} }
	first := c.mustStart(memoryDisk{})
	for i := range records {
		c.order("north", i, int64(i))
	}
	first.mustRun()
	mute = true
	second, err := c.start(memoryDisk{}, "another")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		for _, p := range []*process{first, second} {
			if _, err := p.step(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if mute {
		t.Fatal("nothing was committed when tasks had to go")
	}
	second.mustClose()
	first.mustClose()
	written := 0
	for partition := range int32(2) {
		written += len(c.broker.Read(broker.TopicPartition{Topic: totals.Name(), Partition: partition}, 0))
	}
	if written != records {
		t.Errorf("%d records were written for %d", written, records)
	}
}

// stuckProducer cannot flush before its context ends.
type stuckProducer struct {
	broker.Producer
	stuck *bool
	hurry func()
}

func (p stuckProducer) Flush(ctx context.Context) error {
	if !*p.stuck {
		return p.Producer.Flush(ctx)
	}
	*p.stuck = false
	p.hurry()
	<-ctx.Done()
	return fmt.Errorf("wait for deliveries: %w", ctx.Err())
}

// A step that waits for the cluster is ended for a job, and what it did is done again.
func TestAStepThatWaitsForTheClusterIsHurried(t *testing.T) {
	const records = 40
	c := newCluster(t, plain(), 1)
	c.config.RevokeTimeout = time.Millisecond
	stuck := false
	var p *process
	ended := func() {}
	c.wrap = func(inner broker.Producer) broker.Producer {
		return stuckProducer{inner, &stuck, func() { ended = p.workers[0].Hurry() }}
	}
	p = c.mustStart(memoryDisk{})
	for i := range records {
		c.order("north", i, int64(i))
	}
	p.mustRun()
	stuck = true
	c.clock.Advance(interval)
	p.mustRun()
	ended()
	if stuck {
		t.Fatal("there was no checkpoint")
	}
	p.mustRun()
	p.mustClose()
	in := broker.TopicPartition{Topic: orders.Name()}
	if got := c.broker.Committed(groupName)[in]; got != records {
		t.Errorf("%d of %d records are committed", got, records)
	}
	if got := len(c.broker.Read(broker.TopicPartition{Topic: totals.Name()}, 0)); got < records {
		t.Errorf("%d records were written for %d", got, records)
	}
}

// A step that ends for another reason is not taken for one that was hurried.
func TestAHurryWithoutAStepChangesNothing(t *testing.T) {
	c := newCluster(t, plain(), 1)
	c.config.RevokeTimeout = -1
	p := c.mustStart(memoryDisk{})
	ended := p.workers[0].Hurry()
	c.order("north", 1, 1)
	p.mustRun()
	ended()
	if err := p.close(); err != nil && !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	if got := c.broker.Committed(groupName)[broker.TopicPartition{Topic: orders.Name()}]; got != 1 {
		t.Errorf("%d is committed", got)
	}
}
