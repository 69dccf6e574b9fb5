package sim

import (
	"github.com/weirstreams/weir/internal/broker"
)

// partitionOf returns the partition that Kafka's Java client gives to a record with a key, or Weir to one without: that of the
// empty key. It shares no code with the engine, so that a mistake of either is found. Its hash is the 32-bit MurmurHash2 by
// Austin Appleby, with the seed of the Java client.
func partitionOf(key []byte, partitions int32) int32 {
	const factor = 1540483477 // 0x5bd1e995
	var hash uint32 = 2538058380 ^ uint32(len(key))
	whole := len(key) - len(key)%4
	for i := 0; i < whole; i += 4 {
		word := uint32(key[i]) + uint32(key[i+1])*256 + uint32(key[i+2])*65536 + uint32(key[i+3])*16777216
		word *= factor
		word ^= word / (1 << 24)
		word *= factor
		hash *= factor
		hash ^= word
	}
	if rest := key[whole:]; len(rest) > 0 {
		for i, b := range rest {
			hash ^= uint32(b) << (8 * i)
		}
		hash *= factor
	}
	hash ^= hash / (1 << 13)
	hash *= factor
	hash ^= hash / (1 << 15)
	return int32(hash % (1 << 31) % uint32(partitions))
}

// checkPartitions checks that each record that the topology has written lies in the partition of its key. Topics that the two
// sides of a foreign-key join write to each other have another rule.
func (w *world) checkPartitions() {
	for _, n := range w.plan.Graph.Nodes {
		if n.Sink == nil || n.Sink.Attached {
			continue
		}
		topic := w.plan.Topic(n)
		for p := range w.partitions[topic] {
			tp := broker.TopicPartition{Topic: topic, Partition: p}
			for _, r := range w.readAll(tp) {
				if want := partitionOf(r.Key, w.partitions[topic]); want != p {
					w.failf("output: %s: the record at offset %d with key %q belongs to partition %d of %d", tp, r.Offset, r.Key, want, w.partitions[topic])
				}
			}
		}
	}
}
