package runtime

import (
	"context"
	"errors"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// patientCluster waits for brokers that are away, at the start and when a task is opened, until the context ends: how long
// that may take is for Config.BrokerTimeout to say.
type patientCluster struct{ broker.Cluster }

// Topics implements broker.Cluster.
func (c patientCluster) Topics(ctx context.Context, names ...string) (map[string]broker.TopicInfo, error) {
	return patiently(ctx, func() (map[string]broker.TopicInfo, error) { return c.Cluster.Topics(ctx, names...) })
}

// CreateTopics implements broker.Cluster.
func (c patientCluster) CreateTopics(ctx context.Context, specs ...broker.TopicSpec) error {
	_, err := patiently(ctx, func() (struct{}, error) { return struct{}{}, c.Cluster.CreateTopics(ctx, specs...) })
	return err
}

// Offsets implements broker.Cluster.
func (c patientCluster) Offsets(ctx context.Context, at broker.OffsetAt, tps ...broker.TopicPartition) (map[broker.TopicPartition]int64, error) {
	return patiently(ctx, func() (map[broker.TopicPartition]int64, error) { return c.Cluster.Offsets(ctx, at, tps...) })
}

// CommittedOffsets implements broker.Cluster.
func (c patientCluster) Commits(ctx context.Context, group string, tps ...broker.TopicPartition) (map[broker.TopicPartition]broker.Commit, error) {
	return patiently(ctx, func() (map[broker.TopicPartition]broker.Commit, error) { return c.Cluster.Commits(ctx, group, tps...) })
}

func (c patientCluster) CommittedOffsets(ctx context.Context, group string, tps ...broker.TopicPartition) (map[broker.TopicPartition]int64, error) {
	return patiently(ctx, func() (map[broker.TopicPartition]int64, error) { return c.Cluster.CommittedOffsets(ctx, group, tps...) })
}

// retryInterval is a pause between tries, each of which is patient itself.
const retryInterval = 100 * time.Millisecond

// patiently repeats f while brokers are away. When ctx ends meanwhile the error is its cause.
func patiently[T any](ctx context.Context, f func() (T, error)) (T, error) {
	for {
		result, err := f()
		switch {
		case err != nil && ctx.Err() != nil:
			return result, context.Cause(ctx)
		case !errors.Is(err, weir.ErrUnavailable):
			return result, err
		}
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
			return result, context.Cause(ctx)
		}
	}
}
