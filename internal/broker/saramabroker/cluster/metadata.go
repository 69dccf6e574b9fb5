package cluster

import (
	"context"
	"fmt"
	"slices"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// metadata asks for topics. There must be at least one.
func (c *Cluster) metadata(topics []string) (*sarama.MetadataResponse, error) {
	var response *sarama.MetadataResponse
	err := c.anyBroker(func(b *sarama.Broker) (err error) {
		request := sarama.NewMetadataRequest(conn.Version, topics)
		request.AllowAutoTopicCreation = false
		response, err = b.GetMetadata(request)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(response.Brokers) > 0 {
		addrs := make([]string, len(response.Brokers))
		for i, b := range response.Brokers {
			addrs[i] = b.Addr()
		}
		c.mu.Lock()
		c.known = addrs
		c.mu.Unlock()
	}
	return response, nil
}

// Leaders looks up the leaders of partitions. A partition that has none, or that does not exist, has an error instead.
func (c *Cluster) Leaders(ctx context.Context, tps []broker.TopicPartition) (map[broker.TopicPartition]conn.Leader, map[broker.TopicPartition]error, error) {
	type result struct {
		leaders  map[broker.TopicPartition]conn.Leader
		failures map[broker.TopicPartition]error
	}
	results := make(chan result, 1) // not shared with a call that was left alone
	err := c.Await(ctx, func() error {
		leaders, failures, err := c.leaders(tps)
		results <- result{leaders, failures}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	r := <-results
	return r.leaders, r.failures, nil
}

// leaders looks up the leaders of partitions. A partition that has none, or that does not exist, has an error instead.
func (c *Cluster) leaders(tps []broker.TopicPartition) (map[broker.TopicPartition]conn.Leader, map[broker.TopicPartition]error, error) {
	response, err := c.metadata(topicsOf(tps))
	if err != nil {
		return nil, nil, err
	}
	addrs := make(map[int32]string, len(response.Brokers))
	for _, b := range response.Brokers {
		addrs[b.ID()] = b.Addr()
	}
	leaders := make(map[broker.TopicPartition]conn.Leader)
	failures := make(map[broker.TopicPartition]error, len(tps))
	for _, tp := range tps {
		failures[tp] = sarama.ErrUnknownTopicOrPartition
	}
	for _, topic := range response.Topics {
		if topic.Err != sarama.ErrNoError {
			for _, tp := range tps {
				if tp.Topic == topic.Name {
					failures[tp] = topic.Err
				}
			}
			continue
		}
		id := topicID(topic)
		for _, p := range topic.Partitions {
			tp := broker.TopicPartition{Topic: topic.Name, Partition: p.ID}
			if _, wanted := failures[tp]; !wanted {
				continue
			}
			addr, ok := addrs[p.Leader]
			switch {
			case ok: // even if p.Err says that a replica is missing
				leaders[tp] = conn.Leader{ID: p.Leader, Addr: addr, Epoch: p.LeaderEpoch, Topic: id}
				delete(failures, tp)
			case p.Err != sarama.ErrNoError:
				failures[tp] = p.Err
			default:
				failures[tp] = sarama.ErrLeaderNotAvailable
			}
		}
	}
	return leaders, failures, nil
}

// askLeaders calls ask for each leader of partitions. It returns the partitions that have no leader, or that ask has called fail for,
// with the error of one of them.
func (c *Cluster) askLeaders(
	tps []broker.TopicPartition, ask func(addr string, led []broker.TopicPartition, fail func(broker.TopicPartition, error)),
) (missing []broker.TopicPartition, failure error) {
	if len(tps) == 0 {
		return nil, nil
	}
	leaders, failures, err := c.leaders(tps)
	if err != nil {
		return tps, err
	}
	fail := func(tp broker.TopicPartition, err error) {
		missing = append(missing, tp)
		failure = fault.Worse(failure, fmt.Errorf("%s: %w", tp, err))
	}
	byAddr := make(map[string][]broker.TopicPartition)
	for _, tp := range tps {
		if leader, ok := leaders[tp]; ok {
			byAddr[leader.Addr] = append(byAddr[leader.Addr], tp)
			continue
		}
		fail(tp, failures[tp])
	}
	for addr, led := range byAddr {
		ask(addr, led, fail)
	}
	return missing, failure
}

func topicsOf(tps []broker.TopicPartition) []string {
	var topics []string
	for _, tp := range tps {
		topics = append(topics, tp.Topic)
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// TopicSizes returns the number of partitions of topics. Those that do not exist are absent.
func (c *Cluster) TopicSizes(ctx context.Context, topics []string) (map[string]int32, error) {
	sizes := make(map[string]int32, len(topics))
	err := c.Await(ctx, func() error {
		response, err := c.metadata(topics)
		if err != nil {
			return err
		}
		for _, topic := range response.Topics {
			switch topic.Err {
			case sarama.ErrNoError, sarama.ErrLeaderNotAvailable:
				sizes[topic.Name] = int32(len(topic.Partitions))
			case sarama.ErrUnknownTopicOrPartition:
			default:
				return fmt.Errorf("topic %q: %w", topic.Name, topic.Err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return sizes, nil
}

// TopicSize returns how many partitions a topic has.
func (c *Cluster) TopicSize(ctx context.Context, topic string) (int32, error) {
	sizes := make(chan int32, 1)
	err := c.persist(ctx, func() error {
		response, err := c.metadata([]string{topic})
		if err != nil {
			return err
		}
		for _, t := range response.Topics {
			if t.Name == topic && len(t.Partitions) > 0 {
				sizes <- int32(len(t.Partitions))
				return nil
			} else if t.Err != sarama.ErrNoError {
				return t.Err
			}
		}
		return sarama.ErrUnknownTopicOrPartition
	})
	if err != nil {
		return 0, err
	}
	return <-sizes, nil
}

// Coordinator looks up the address of the coordinator of a group or of a transactional id.
func (c *Cluster) Coordinator(kind sarama.CoordinatorType, key string) (addr string, err error) {
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

// ProducerID asks for a producer ID without a transactional id, once.
func (c *Cluster) ProducerID(ctx context.Context) (id int64, epoch int16, err error) {
	responses := make(chan *sarama.InitProducerIDResponse, 1)
	err = c.Await(ctx, func() error {
		return c.anyBroker(func(b *sarama.Broker) error {
			response, err := b.InitProducerID(&sarama.InitProducerIDRequest{Version: 4, ProducerID: -1, ProducerEpoch: -1})
			if err == nil && response.Err != sarama.ErrNoError {
				err = response.Err
			}
			if err == nil {
				responses <- response
			}
			return err
		})
	})
	if err != nil {
		return 0, 0, err
	}
	r := <-responses
	return r.ProducerID, r.ProducerEpoch, nil
}

// topicID returns the id of a topic, empty if the cluster does not tell.
func topicID(topic *sarama.TopicMetadata) string {
	if topic.Uuid == (sarama.Uuid{}) {
		return ""
	}
	return topic.Uuid.String()
}
