package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

var _ broker.Resetter = (*Cluster)(nil)

// Members implements broker.Resetter.
func (c *Cluster) Members(ctx context.Context, group string) (clients []string, err error) {
	err = c.persist(ctx, func() error {
		var response *sarama.DescribeGroupsResponse
		err := c.atCoordinator(group, func(b *sarama.Broker) (err error) {
			response, err = b.DescribeGroups(&sarama.DescribeGroupsRequest{Version: 4, Groups: []string{group}})
			return err
		})
		if err != nil {
			return err
		}
		clients = nil
		for _, g := range response.Groups {
			if g.Err == sarama.ErrGroupIDNotFound {
				continue
			}
			if g.Err != sarama.ErrNoError {
				return g.Err
			}
			for _, m := range g.Members {
				clients = append(clients, m.ClientId+m.ClientHost)
			}
		}
		slices.Sort(clients)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("members of group %q: %w", group, err)
	}
	return clients, nil
}

// CommitAlone implements broker.Resetter.
func (c *Cluster) CommitAlone(ctx context.Context, group string, offsets map[broker.TopicPartition]int64) error {
	if len(offsets) == 0 {
		return nil
	}
	err := c.persist(ctx, func() error {
		request := sarama.NewOffsetCommitRequest(&sarama.Config{Version: conn.Version}, group)
		for tp, offset := range offsets {
			request.AddBlockWithLeaderEpoch(tp.Topic, tp.Partition, offset, broker.NoLeaderEpoch, 0, "")
		}
		var response *sarama.OffsetCommitResponse
		err := c.atCoordinator(group, func(b *sarama.Broker) (err error) {
			response, err = b.CommitOffset(request)
			return err
		})
		if err != nil {
			return err
		}
		for topic, partitions := range response.Errors {
			for partition, code := range partitions {
				switch code { //nolint:exhaustive // all others are failures
				case sarama.ErrNoError:
				case sarama.ErrUnknownMemberId, sarama.ErrIllegalGeneration, sarama.ErrRebalanceInProgress:
					return fmt.Errorf("%w: %w", weir.ErrMembers, code)
				default:
					return fmt.Errorf("%s[%d]: %w", topic, partition, code)
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("commit offsets of group %q: %w", group, err)
	}
	return nil
}

// DeleteTopics implements broker.Resetter.
func (c *Cluster) DeleteTopics(ctx context.Context, names ...string) error {
	left := map[string]bool{}
	for _, name := range names {
		left[name] = true
	}
	err := c.persist(ctx, func() error {
		if len(left) == 0 {
			return nil
		}
		wanted := slices.Sorted(maps.Keys(left))
		addr, err := c.controller(wanted)
		if err != nil {
			return err
		}
		var response *sarama.DeleteTopicsResponse
		err = c.at(addr, func(b *sarama.Broker) (err error) {
			response, err = b.DeleteTopics(sarama.NewDeleteTopicsRequest(conn.Version, wanted, 15*time.Second))
			return err
		})
		if err != nil {
			return err
		}
		var failed error
		for _, name := range wanted {
			switch code, ok := response.TopicErrorCodes[name]; {
			case !ok:
				failed = errors.Join(failed, fmt.Errorf("topic %q: %w", name, sarama.ErrIncompleteResponse))
			case code == sarama.ErrNoError, code == sarama.ErrUnknownTopicOrPartition:
				delete(left, name)
			case code == sarama.ErrTopicAuthorizationFailed:
				return fmt.Errorf("topic %q (it needs the right Delete): %w", name, code)
			default:
				failed = errors.Join(failed, fmt.Errorf("topic %q: %w", name, code))
			}
		}
		return failed
	})
	if err != nil {
		return fmt.Errorf("delete topics: %w", err)
	}
	return c.awaitGone(ctx, names)
}

// awaitGone waits until no broker that is asked knows the topics.
func (c *Cluster) awaitGone(ctx context.Context, names []string) error {
	for failures := 1; len(names) > 0; failures++ {
		found, err := c.Topics(ctx, names...)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return nil
		}
		if err := fault.Backoff.Sleep(ctx, failures); err != nil {
			return fmt.Errorf("topics are not deleted yet: %q: %w", slices.Sorted(maps.Keys(found)), err)
		}
	}
	return nil
}
