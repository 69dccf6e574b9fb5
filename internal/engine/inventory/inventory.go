// Package inventory reads and writes the topic that holds the inventory of a group.
package inventory

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// The inventory of a group is kept twice. An internal topic of one partition, compacted, has the whole of it: it outlives the
// disks, is there before any task is assigned, and is one for all members. Topic settings cannot hold it, as Kafka refuses
// settings that it does not know, and a changelog cannot either, as an inventory spans all of them. Each database has the
// formats of its stores as well, for the case that the topic is lost.

// recordKey is the key of the inventory in its topic.
var recordKey = []byte("inventory")

// Read returns the last inventory in a topic, or nil if there is none.
func Read(ctx context.Context, cluster broker.Cluster, topic string) (text []byte, err error) {
	known, err := cluster.Topics(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("look up topic %q: %w", topic, err)
	}
	if _, ok := known[topic]; !ok {
		return nil, nil
	}
	err = broker.Scan(ctx, cluster, func(batch *broker.Batch) bool {
		for _, r := range batch.Records {
			if bytes.Equal(r.Key, recordKey) {
				text = bytes.Clone(r.Value)
			}
		}
		return true
	}, broker.TopicPartition{Topic: topic})
	return text, err
}

// Write makes the topic, unless it exists, and appends an inventory.
func Write(ctx context.Context, cluster broker.Cluster, topic string, replication int16, text []byte, now time.Time) error {
	err := cluster.CreateTopics(ctx, broker.TopicSpec{
		Name: topic, Partitions: 1, Replication: replication, Config: map[string]string{"cleanup.policy": "compact"},
	})
	if err != nil {
		return fmt.Errorf("create topic %q: %w", topic, err)
	}
	producer, err := cluster.NewProducer(broker.ProducerConfig{})
	if err != nil {
		return err
	}
	defer func() { _ = producer.Close() }() // everything is acknowledged, or there is an error
	record := broker.Record{Key: recordKey, Value: text, Millis: now.UnixMilli()}
	if err := producer.Send(ctx, broker.TopicPartition{Topic: topic}, []broker.Record{record}); err != nil {
		return fmt.Errorf("write topic %q: %w", topic, err)
	}
	if err := producer.Flush(ctx); err != nil {
		return fmt.Errorf("write topic %q: %w", topic, err)
	}
	return nil
}
