package runtime

import (
	"context"
	"errors"
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// patientCluster waits for brokers that are away when a task is opened, until the context ends: how long that may take
// is for Config.BrokerTimeout to say.
type patientCluster struct{ broker.Cluster }

// Offsets implements broker.Cluster.
func (c patientCluster) Offsets(ctx context.Context, at broker.OffsetAt, tps ...broker.TopicPartition) (map[broker.TopicPartition]int64, error) {
	return patiently(ctx, func() (map[broker.TopicPartition]int64, error) { return c.Cluster.Offsets(ctx, at, tps...) })
}

// CommittedOffsets implements broker.Cluster.
func (c patientCluster) CommittedOffsets(ctx context.Context, group string, tps ...broker.TopicPartition) (map[broker.TopicPartition]int64, error) {
	return patiently(ctx, func() (map[broker.TopicPartition]int64, error) { return c.Cluster.CommittedOffsets(ctx, group, tps...) })
}

// retryInterval is a pause between tries, each of which is patient itself.
const retryInterval = 100 * time.Millisecond

func patiently[T any](ctx context.Context, f func() (T, error)) (T, error) {
	for {
		result, err := f()
		if !errors.Is(err, broker.ErrUnavailable) || ctx.Err() != nil {
			return result, err
		}
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
			return result, context.Cause(ctx)
		}
	}
}
