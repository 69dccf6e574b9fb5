package engine

import (
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// purgeInterval is how often a worker has its repartition topics purged, as in Kafka Streams (repartition.purge.interval.ms).
const purgeInterval = 30 * time.Second

// purge has the records of repartition topics behind the committed offsets deleted, because their retention is without
// limit. It asks for offsets committed since the last call.
func (w *Worker) purge() {
	now := w.config.Clock.Now()
	if w.config.Purge == nil || now.Sub(w.lastPurge) < w.config.PurgeInterval {
		return
	}
	w.lastPurge = now
	var before map[broker.TopicPartition]int64
	for _, t := range w.sortedTasks() {
		for topic, offset := range t.committed {
			if !w.topics.Limits[topic].Internal || offset <= t.purged[topic] {
				continue
			}
			if before == nil {
				before = map[broker.TopicPartition]int64{}
			}
			if t.purged == nil {
				t.purged = map[string]int64{}
			}
			before[broker.TopicPartition{Topic: topic, Partition: t.id.Partition}] = offset
			t.purged[topic] = offset
		}
	}
	if len(before) > 0 {
		w.config.Purge(before)
	}
}
