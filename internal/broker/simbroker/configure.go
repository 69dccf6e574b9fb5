package simbroker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstreams/weir/internal/broker"
)

// ConfigureTopics implements [broker.Cluster].
func (b *Broker) ConfigureTopics(ctx context.Context, settings map[string]map[string]string) error {
	return b.call(ctx, Op{Kind: OpConfigureTopics}, func() error {
		var failed []error
		for _, topic := range slices.Sorted(maps.Keys(settings)) {
			for _, setting := range slices.Sorted(maps.Keys(settings[topic])) {
				failed = append(failed, b.configure(topic, setting, settings[topic][setting]))
			}
		}
		return errors.Join(failed...)
	})
}

// PurgeRecords implements [broker.Cluster].
func (b *Broker) PurgeRecords(ctx context.Context, before map[broker.TopicPartition]int64) error {
	return b.call(ctx, Op{Kind: OpPurge}, func() error {
		var failed []error
		for _, tp := range sortedPartitions(before) {
			p, err := b.partition(tp)
			if err == nil {
				err = p.deleteBefore(before[tp])
			}
			if err != nil {
				failed = append(failed, fmt.Errorf("delete records of %s: %w", tp, err))
			}
		}
		return errors.Join(failed...)
	})
}
