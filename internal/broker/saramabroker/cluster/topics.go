package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// Topics implements broker.Cluster.
func (c *Cluster) Topics(ctx context.Context, names ...string) (map[string]broker.TopicInfo, error) {
	infos := make(map[string]broker.TopicInfo, len(names))
	if len(names) == 0 {
		return infos, nil
	}
	err := c.persist(ctx, func() error {
		clear(infos)
		response, err := c.metadata(names)
		if err != nil {
			return err
		}
		for _, topic := range response.Topics {
			switch topic.Err {
			case sarama.ErrNoError, sarama.ErrLeaderNotAvailable:
			case sarama.ErrUnknownTopicOrPartition:
				continue
			default:
				return fmt.Errorf("topic %q: %w", topic.Name, topic.Err)
			}
			info := broker.TopicInfo{Name: topic.Name, Partitions: int32(len(topic.Partitions))}
			for _, p := range topic.Partitions {
				if p.ID == 0 {
					info.Replication = int16(len(p.Replicas))
				}
			}
			info.ID = topicID(topic)
			infos[topic.Name] = info
		}
		return c.describe(infos)
	})
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", err)
	}
	return infos, nil
}

// describe fills in the configurations of topics.
func (c *Cluster) describe(infos map[string]broker.TopicInfo) error {
	if len(infos) == 0 {
		return nil
	}
	request := &sarama.DescribeConfigsRequest{Version: 4}
	for name := range infos {
		request.Resources = append(request.Resources, &sarama.ConfigResource{Type: sarama.TopicResource, Name: name})
	}
	var response *sarama.DescribeConfigsResponse
	err := c.anyBroker(func(b *sarama.Broker) (err error) {
		response, err = b.DescribeConfigs(request)
		return err
	})
	if err != nil {
		return fmt.Errorf("describe configurations: %w", err)
	}
	for _, resource := range response.Resources {
		info, ok := infos[resource.Name]
		if !ok {
			continue
		}
		switch code := sarama.KError(resource.ErrorCode); code {
		case sarama.ErrNoError:
		case sarama.ErrUnknownTopicOrPartition: // deleted meanwhile
			delete(infos, resource.Name)
			continue
		default:
			return fmt.Errorf("configuration of topic %q (it needs the right DescribeConfigs): %w", resource.Name, code)
		}
		info.Config = make(map[string]string, len(resource.Configs))
		for _, entry := range resource.Configs {
			info.Config[entry.Name] = entry.Value
		}
		infos[resource.Name] = info
	}
	return nil
}

// CreateTopics implements broker.Cluster. All topics are asked for at once; the error names those that failed.
func (c *Cluster) CreateTopics(ctx context.Context, specs ...broker.TopicSpec) error {
	if len(specs) == 0 {
		return nil
	}
	pending := make(map[string]*sarama.TopicDetail, len(specs))
	for _, spec := range specs {
		detail := &sarama.TopicDetail{
			NumPartitions:     spec.Partitions,
			ReplicationFactor: spec.Replication,
			ConfigEntries:     make(map[string]*string, len(spec.Config)),
		}
		for name, value := range spec.Config {
			detail.ConfigEntries[name] = &value
		}
		if detail.ReplicationFactor == 0 {
			detail.ReplicationFactor = -1
		}
		pending[spec.Name] = detail
	}
	err := c.persist(ctx, func() error { return c.create(pending) })
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	if err := c.awaitLeaders(ctx, specs); err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	return nil
}

// create asks the controller for topics, and removes existing ones from pending.
func (c *Cluster) create(pending map[string]*sarama.TopicDetail) error {
	names := make([]string, 0, len(pending))
	for name := range pending {
		names = append(names, name)
	}
	slices.Sort(names)
	controller, err := c.controller(names)
	if err != nil {
		return err
	}
	var response *sarama.CreateTopicsResponse
	err = c.at(controller, func(b *sarama.Broker) (err error) {
		response, err = b.CreateTopics(sarama.NewCreateTopicsRequest(conn.Version, pending, 15*time.Second, false))
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		result, ok := response.TopicErrors[name]
		switch {
		case !ok:
			return fmt.Errorf("topic %q: %w", name, sarama.ErrIncompleteResponse)
		case result.Err == sarama.ErrNoError, result.Err == sarama.ErrTopicAlreadyExists:
			delete(pending, name)
		case result.Err == sarama.ErrTopicAuthorizationFailed, result.Err == sarama.ErrClusterAuthorizationFailed:
			return fmt.Errorf("topic %q (it needs the right Create): %w", name, result)
		default:
			return fmt.Errorf("topic %q: %w", name, result)
		}
	}
	return nil
}

// controller returns the address for requests that change topics, of which it asks for the metadata. With KRaft every broker forwards such a request;
// with ZooKeeper it must go to the controller. Both name it.
func (c *Cluster) controller(topics []string) (string, error) {
	metadata, err := c.metadata(topics)
	if err != nil {
		return "", err
	}
	for _, b := range metadata.Brokers {
		if b.ID() == metadata.ControllerID {
			return b.Addr(), nil
		}
	}
	return "", sarama.ErrBrokerNotAvailable
}

// awaitLeaders waits until every partition of the topics has a leader.
func (c *Cluster) awaitLeaders(ctx context.Context, specs []broker.TopicSpec) error {
	names := make([]string, len(specs))
	for i, spec := range specs {
		names[i] = spec.Name
	}
	for failures := 1; ; failures++ {
		missing := ""
		err := c.persist(ctx, func() error {
			response, err := c.metadata(names)
			if err == nil {
				missing = leaderless(response, specs)
			}
			return err
		})
		if err != nil || missing == "" {
			return err
		}
		if err := fault.Backoff.Sleep(ctx, failures); err != nil {
			return fmt.Errorf("topic %q has no leader yet: %w", missing, err)
		}
	}
}

// leaderless returns the name of a topic that lacks partitions or leaders, or "".
func leaderless(response *sarama.MetadataResponse, specs []broker.TopicSpec) string {
	ready := make(map[string]bool, len(response.Topics))
	for _, topic := range response.Topics {
		ready[topic.Name] = topic.Err == sarama.ErrNoError && len(topic.Partitions) > 0 &&
			!slices.ContainsFunc(topic.Partitions, func(p *sarama.PartitionMetadata) bool { return p.Leader < 0 })
	}
	for _, spec := range specs {
		if !ready[spec.Name] {
			return spec.Name
		}
	}
	return ""
}
