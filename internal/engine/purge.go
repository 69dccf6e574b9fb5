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
	before := map[broker.TopicPartition]int64{}
	internal := func(topic string) bool { return w.topics.Limits[topic].Internal }
	for _, t := range w.sortedTasks() {
		t.input.Purgeable(internal, before)
	}
	if len(before) > 0 {
		w.config.Purge(before)
	}
}
