package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/outbox"
	"github.com/weirstreams/weir/stream"
)

// abortingProducer cannot commit its first transactions.
type abortingProducer struct {
	broker.Producer
	fails *int
}

func (p abortingProducer) Commit(
	ctx context.Context, m broker.GroupMember, offsets map[broker.TopicPartition]int64, details broker.CommitDetails,
) error {
	if *p.fails > 0 {
		*p.fails--
		return fmt.Errorf("%w: by the test", broker.ErrAborted)
	}
	return p.Producer.Commit(ctx, m, offsets, details)
}

// Outputs of a transaction that was aborted are made again, and count once.
func TestOutputsOfAnAbortedTransactionDoNotCount(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(topicA).To(topicOut)
	c := newCluster(t, topology, 1)
	c.config.ExactlyOnce, c.config.Outputs = true, outbox.NewLimit(3)
	fails := 2
	c.wrap = func(p broker.Producer) broker.Producer { return abortingProducer{p, &fails} }
	c.write(a0, 1, 2, 3, 4, 5)
	p := c.mustStart(memoryDisk{})
	p.mustRun()
	select {
	case <-c.config.Outputs.Reached():
	default:
		t.Error("the limit is not reached")
	}
	if n := len(c.broker.Read(out0, 0)); n != 3 || fails != 0 {
		t.Errorf("%d outputs can be read, want 3", n)
	}
}
