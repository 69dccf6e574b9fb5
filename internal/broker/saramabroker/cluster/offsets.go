package cluster

import (
	"context"
	"fmt"
	"maps"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// Offsets implements broker.Cluster.
func (c *Cluster) Offsets(ctx context.Context, at broker.OffsetAt, tps ...broker.TopicPartition) (map[broker.TopicPartition]int64, error) {
	return c.lookUp(ctx, tps, func(b *sarama.Broker, led []broker.TopicPartition) (map[broker.TopicPartition]conn.Offset, error) {
		return conn.ListOffsets(b, at, led)
	})
}

// OffsetsAtTime implements broker.Cluster.
func (c *Cluster) OffsetsAtTime(ctx context.Context, millis int64, tps ...broker.TopicPartition) (map[broker.TopicPartition]int64, error) {
	offsets, err := c.lookUp(ctx, tps, func(b *sarama.Broker, led []broker.TopicPartition) (map[broker.TopicPartition]conn.Offset, error) {
		return conn.ListOffsetsAtTime(b, millis, led)
	})
	maps.DeleteFunc(offsets, func(_ broker.TopicPartition, offset int64) bool { return offset < 0 })
	return offsets, err
}

// ask is a request to a broker about the offsets of partitions that it leads.
type ask func(b *sarama.Broker, led []broker.TopicPartition) (map[broker.TopicPartition]conn.Offset, error)

// lookUp asks the leaders of partitions until all have answered.
func (c *Cluster) lookUp(ctx context.Context, tps []broker.TopicPartition, request ask) (map[broker.TopicPartition]int64, error) {
	offsets := make(map[broker.TopicPartition]int64, len(tps))
	missing := tps
	err := c.persist(ctx, func() error {
		var err error
		missing, err = c.listOffsets(request, missing, offsets)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up offsets: %w", err)
	}
	return offsets, nil
}

// listOffsets asks the leaders for offsets, and returns the partitions that it could not find out about, with the
// error of one of them.
func (c *Cluster) listOffsets(request ask, tps []broker.TopicPartition, offsets map[broker.TopicPartition]int64) ([]broker.TopicPartition, error) {
	return c.askLeaders(tps, func(addr string, led []broker.TopicPartition, fail func(broker.TopicPartition, error)) {
		var found map[broker.TopicPartition]conn.Offset
		err := c.at(addr, func(b *sarama.Broker) (err error) {
			found, err = request(b, led)
			return err
		})
		for _, tp := range led {
			switch result := found[tp]; {
			case err != nil:
				fail(tp, err)
			case result.Err != nil:
				fail(tp, result.Err)
			default:
				offsets[tp] = result.Offset
			}
		}
	})
}

// longPending is how often offsets are found to be pending before that is worth a warning, which takes about half a minute.
const longPending = 35

// CommittedOffsets implements broker.Cluster.
func (c *Cluster) CommittedOffsets(ctx context.Context, group string, tps ...broker.TopicPartition) (map[broker.TopicPartition]int64, error) {
	commits, err := c.Commits(ctx, group, tps...)
	if err != nil {
		return nil, err
	}
	return broker.Offsets(commits), nil
}

// Commits implements broker.Cluster.
func (c *Cluster) Commits(ctx context.Context, group string, tps ...broker.TopicPartition) (map[broker.TopicPartition]broker.Commit, error) {
	offsets := make(map[broker.TopicPartition]broker.Commit, len(tps))
	if len(tps) == 0 {
		return offsets, nil
	}
	for failures := 1; ; failures++ {
		unstable := false
		err := c.persist(ctx, func() (err error) {
			unstable, err = c.fetchOffsets(group, tps, offsets)
			return err
		})
		if err == nil && unstable {
			if failures == longPending {
				c.log.Warn("committed offsets wait for a transaction that does not end; if it outlives its time-out it is one that the cluster "+
					"has lost track of, and kafka-transactions.sh ends it", "group", group)
			}
			err = fault.Backoff.Sleep(ctx, failures)
			if err == nil {
				continue
			}
			err = fmt.Errorf("a transaction that is pending has not ended: %w", err)
		}
		if err != nil {
			return nil, fmt.Errorf("committed offsets of group %q: %w", group, err)
		}
		return offsets, nil
	}
}

// fetchOffsets asks the coordinator of a group for offsets. It returns true when one of them is still undecided.
func (c *Cluster) fetchOffsets(group string, tps []broker.TopicPartition, offsets map[broker.TopicPartition]broker.Commit) (unstable bool, err error) {
	partitions := make(map[string][]int32)
	for _, tp := range tps {
		partitions[tp.Topic] = append(partitions[tp.Topic], tp.Partition)
	}
	var response *sarama.OffsetFetchResponse
	err = c.atCoordinator(group, func(b *sarama.Broker) (err error) {
		request := sarama.NewOffsetFetchRequest(conn.Version, group, partitions)
		request.RequireStable = true
		response, err = b.FetchOffset(request)
		return err
	})
	if err != nil {
		return false, err
	}
	failure, blocks := response.Err, response.Blocks
	if len(response.Groups) > 0 { // since version 8 of the request
		failure, blocks = response.Groups[0].Err, response.Groups[0].Blocks
	}
	clear(offsets)
	switch failure {
	case sarama.ErrNoError:
	case sarama.ErrGroupIDNotFound: // no such group, so no commits
		return false, nil
	case sarama.ErrUnstableOffsetCommit:
		return true, nil
	default:
		return false, failure
	}
	for _, tp := range tps {
		block := blocks[tp.Topic][tp.Partition]
		switch {
		case block == nil:
		case block.Err == sarama.ErrUnstableOffsetCommit:
			return true, nil
		case block.Err == sarama.ErrUnknownTopicOrPartition:
		case block.Err != sarama.ErrNoError:
			return false, fmt.Errorf("%s: %w", tp, block.Err)
		case block.Offset >= 0:
			offsets[tp] = broker.Commit{Offset: block.Offset, CommitDetail: broker.CommitDetail{LeaderEpoch: block.LeaderEpoch, Metadata: block.Metadata}}
		}
	}
	return false, nil
}
