package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// ConfigureTopics implements broker.Cluster, with IncrementalAlterConfigs (KIP-339).
func (c *Cluster) ConfigureTopics(ctx context.Context, settings map[string]map[string]string) error {
	if len(settings) == 0 {
		return nil
	}
	request := &sarama.IncrementalAlterConfigsRequest{Version: 1}
	for _, topic := range slices.Sorted(maps.Keys(settings)) {
		resource := &sarama.IncrementalAlterConfigsResource{
			Type: sarama.TopicResource, Name: topic, ConfigEntries: map[string]sarama.IncrementalAlterConfigsEntry{},
		}
		for name, value := range settings[topic] {
			resource.ConfigEntries[name] = sarama.IncrementalAlterConfigsEntry{
				Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value,
			}
		}
		request.Resources = append(request.Resources, resource)
	}
	err := c.persist(ctx, func() error {
		var response *sarama.IncrementalAlterConfigsResponse
		err := c.anyBroker(func(b *sarama.Broker) (err error) {
			response, err = b.IncrementalAlterConfigs(request)
			return err
		})
		if err != nil {
			return err
		}
		var failed []error
		for _, r := range response.Resources {
			code := sarama.KError(r.ErrorCode)
			switch {
			case code == sarama.ErrNoError:
			case fault.IsRetriable(code): // all of it can be asked for again
				return code
			case code == sarama.ErrTopicAuthorizationFailed, code == sarama.ErrClusterAuthorizationFailed:
				failed = append(failed, fmt.Errorf("topic %q (it needs the right AlterConfigs): %w", r.Name, fault.Translate(code)))
			default:
				failed = append(failed, fmt.Errorf("topic %q: %w: %s", r.Name, fault.Translate(code), r.ErrorMsg))
			}
		}
		return errors.Join(failed...)
	})
	if err != nil {
		return fmt.Errorf("configure topics: %w", err)
	}
	return nil
}

// purgeTimeout is how long a leader may wait for the replicas.
const purgeTimeout = 10 * time.Second

// PurgeRecords implements broker.Cluster.
func (c *Cluster) PurgeRecords(ctx context.Context, before map[broker.TopicPartition]int64) error {
	missing := slices.Collect(maps.Keys(before))
	err := c.persist(ctx, func() (err error) {
		missing, err = c.purge(missing, before)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete records: %w", err)
	}
	return nil
}

// purge asks the leaders, and returns the partitions that are not purged, with the error of one of them.
func (c *Cluster) purge(tps []broker.TopicPartition, before map[broker.TopicPartition]int64) ([]broker.TopicPartition, error) {
	return c.askLeaders(tps, func(addr string, led []broker.TopicPartition, fail func(broker.TopicPartition, error)) {
		request := &sarama.DeleteRecordsRequest{Version: 1, Timeout: purgeTimeout, Topics: map[string]*sarama.DeleteRecordsRequestTopic{}}
		for _, tp := range led {
			t := request.Topics[tp.Topic]
			if t == nil {
				t = &sarama.DeleteRecordsRequestTopic{PartitionOffsets: map[int32]int64{}}
				request.Topics[tp.Topic] = t
			}
			t.PartitionOffsets[tp.Partition] = before[tp]
		}
		var response *sarama.DeleteRecordsResponse
		err := c.at(addr, func(b *sarama.Broker) (err error) {
			response, err = b.DeleteRecords(request)
			return err
		})
		for _, tp := range led {
			if err != nil {
				fail(tp, err)
				continue
			}
			answer := response.Topics[tp.Topic]
			if answer == nil || answer.Partitions[tp.Partition] == nil {
				fail(tp, sarama.ErrIncompleteResponse)
				continue
			}
			switch code := answer.Partitions[tp.Partition].Err; code {
			case sarama.ErrNoError:
			case sarama.ErrTopicAuthorizationFailed:
				fail(tp, fmt.Errorf("it needs the right Delete: %w", code))
			default:
				fail(tp, code)
			}
		}
	})
}
