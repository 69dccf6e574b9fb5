package simbroker

import (
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// AddPartitions gives a topic more partitions, which are empty. Groups that read the topic assign them.
func (b *Broker) AddPartitions(topic string, count int32) error {
	return b.locked(func() error {
		t := b.topics[topic]
		if t == nil {
			return fmt.Errorf("add partitions to %q: %w", topic, weir.ErrUnknownTopic)
		}
		had := int32(len(t.partitions))
		if count <= had {
			return fmt.Errorf("add partitions to %q: it has %d, and is to have %d", topic, had, count)
		}
		for number := had; number < count; number++ {
			t.partitions = append(t.partitions, &partition{
				TopicPartition: broker.TopicPartition{Topic: topic, Partition: number}, topic: t,
			})
		}
		for _, g := range b.groups {
			g.topicChanged(topic, b.clock.Now())
		}
		return nil
	})
}
