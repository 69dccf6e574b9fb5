package operator

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir"
)

// Write replaces parts of a record when it is written. A nil function changes nothing. The results of the functions
// count for the topic alone.
type Write[K, V any] struct {
	// Key returns the key.
	Key func(weir.Record[K, V]) K
	// Partition returns the partition, given the number of partitions of the topic. It sees the record as it was.
	Partition func(r weir.Record[K, V], partitions int32) int32
	// Time returns the time, which is cut to milliseconds.
	Time func(weir.Record[K, V]) time.Time
	// Headers returns the headers. Those of the record must not be changed; appending to them is safe.
	Headers func(weir.Record[K, V]) []weir.Header
}

// Override makes the sink write something else than it gets.
func (s *TopicWriter[K, V]) Override(w Write[K, V]) { s.write = &w }

// override returns the record to write and its partition, or -1 if that is for the key to say.
func (s *TopicWriter[K, V]) override(r *weir.Record[K, V]) (*weir.Record[K, V], int32, error) {
	w := s.write
	s.out = *r
	seen := *r
	seen.Headers = seen.Headers[:len(seen.Headers):len(seen.Headers)]
	if w.Key != nil {
		s.out.Key, s.out.KeyNull = w.Key(seen), false
	}
	if w.Time != nil {
		s.out.SetTime(w.Time(seen))
	}
	if w.Headers != nil {
		s.out.Headers = w.Headers(seen)
	}
	if w.Partition == nil {
		return &s.out, -1, nil
	}
	partition := w.Partition(seen, s.partitions)
	if partition < 0 || partition >= s.partitions {
		return nil, 0, fmt.Errorf("partition %d of topic %q, which has %d", partition, s.keyContext.Topic, s.partitions)
	}
	return &s.out, partition, nil
}
