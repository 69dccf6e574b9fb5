package saramabroker

import (
	"context"
	"fmt"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// Offsets implements broker.Cluster.
func (c *cluster) Offsets(ctx context.Context, at broker.OffsetAt, tps ...broker.TopicPartition) (map[broker.TopicPartition]int64, error) {
	offsets := make(map[broker.TopicPartition]int64, len(tps))
	missing := tps
	err := c.persist(ctx, func() error {
		var err error
		missing, err = c.listOffsets(at, missing, offsets)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up offsets: %w", err)
	}
	return offsets, nil
}

// listOffsets asks the leaders for offsets, and returns the partitions that it could not find out about, with the
// error of one of them.
func (c *cluster) listOffsets(at broker.OffsetAt, tps []broker.TopicPartition, offsets map[broker.TopicPartition]int64) ([]broker.TopicPartition, error) {
	if len(tps) == 0 {
		return nil, nil
	}
	leaders, failures, err := c.leaders(tps)
	if err != nil {
		return tps, err
	}
	byAddr := make(map[string][]broker.TopicPartition)
	var missing []broker.TopicPartition
	var failure error
	for _, tp := range tps {
		if leader, ok := leaders[tp]; ok {
			byAddr[leader.addr] = append(byAddr[leader.addr], tp)
			continue
		}
		missing = append(missing, tp)
		failure = worse(failure, fmt.Errorf("%s: %w", tp, failures[tp]))
	}
	for addr, led := range byAddr {
		var found map[broker.TopicPartition]offsetOrError
		err := c.at(addr, func(b *sarama.Broker) (err error) {
			found, err = offsetsOf(b, at, led)
			return err
		})
		for _, tp := range led {
			result := found[tp]
			if err != nil {
				result.err = err
			}
			if result.err != nil {
				missing = append(missing, tp)
				failure = worse(failure, fmt.Errorf("%s: %w", tp, result.err))
				continue
			}
			offsets[tp] = result.offset
		}
	}
	return missing, failure
}

// worse returns the error of the two that trying again does not help against.
func worse(a, b error) error {
	if a == nil || isRetriable(a) {
		return b
	}
	return a
}

type offsetOrError struct {
	offset int64
	err    error
}

// offsetsOf asks a broker for offsets of partitions that it leads.
func offsetsOf(b *sarama.Broker, at broker.OffsetAt, tps []broker.TopicPartition) (map[broker.TopicPartition]offsetOrError, error) {
	request := sarama.NewOffsetRequest(version)
	time := sarama.OffsetNewest
	switch at {
	case broker.Earliest:
		time = sarama.OffsetOldest
	case broker.End:
		request.IsolationLevel = sarama.ReadCommitted // with which "newest" means the last stable offset
	case broker.Latest:
	}
	for _, tp := range tps {
		request.AddBlock(tp.Topic, tp.Partition, time, 1)
	}
	response, err := b.GetAvailableOffsets(request)
	if err != nil {
		return nil, err
	}
	found := make(map[broker.TopicPartition]offsetOrError, len(tps))
	for _, tp := range tps {
		switch block := response.GetBlock(tp.Topic, tp.Partition); {
		case block == nil:
			found[tp] = offsetOrError{err: sarama.ErrLeaderNotAvailable}
		case block.Err != sarama.ErrNoError:
			found[tp] = offsetOrError{err: block.Err}
		default:
			found[tp] = offsetOrError{offset: block.Offset}
		}
	}
	return found, nil
}

// longPending is how often offsets are found to be pending before that is worth a warning, which takes about half a minute.
const longPending = 35

// CommittedOffsets implements broker.Cluster.
func (c *cluster) CommittedOffsets(ctx context.Context, group string, tps ...broker.TopicPartition) (map[broker.TopicPartition]int64, error) {
	offsets := make(map[broker.TopicPartition]int64, len(tps))
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
			err = sleep(ctx, backoff(failures))
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
func (c *cluster) fetchOffsets(group string, tps []broker.TopicPartition, offsets map[broker.TopicPartition]int64) (unstable bool, err error) {
	addr, err := c.coordinator(group)
	if err != nil {
		return false, err
	}
	partitions := make(map[string][]int32)
	for _, tp := range tps {
		partitions[tp.Topic] = append(partitions[tp.Topic], tp.Partition)
	}
	var response *sarama.OffsetFetchResponse
	err = c.at(addr, func(b *sarama.Broker) (err error) {
		request := sarama.NewOffsetFetchRequest(version, group, partitions)
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
			offsets[tp] = block.Offset
		}
	}
	return false, nil
}

// coordinator looks up the address of the coordinator of a group.
func (c *cluster) coordinator(group string) (addr string, err error) {
	return c.coordinatorOf(sarama.CoordinatorGroup, group)
}

// coordinatorOf looks up the address of the coordinator of a group or of a transactional id.
func (c *cluster) coordinatorOf(kind sarama.CoordinatorType, key string) (addr string, err error) {
	var response *sarama.FindCoordinatorResponse
	err = c.anyBroker(func(b *sarama.Broker) (err error) {
		response, err = b.FindCoordinator(&sarama.FindCoordinatorRequest{
			Version: 2, CoordinatorKey: key, CoordinatorType: kind,
		})
		return err
	})
	switch {
	case err != nil:
		return "", err
	case response.Err != sarama.ErrNoError:
		return "", response.Err
	case response.Coordinator == nil:
		return "", sarama.ErrConsumerCoordinatorNotAvailable
	}
	return response.Coordinator.Addr(), nil
}
