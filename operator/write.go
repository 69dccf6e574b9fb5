package operator

import (
	"fmt"

	"github.com/weirstreams/weir"
)

// Override makes the sink write something else than it gets.
func (s *TopicWriter[K, V]) Override(w weir.Write[K, V]) { s.write = &w }

// override returns the record to write and its partition, which is s.partition if no function chooses it.
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
		return &s.out, s.partition, nil
	}
	partition := w.Partition(seen, s.partitions)
	if partition < 0 || partition >= s.partitions {
		return nil, 0, fmt.Errorf("partition %d of topic %q, which has %d", partition, s.keyContext.Topic, s.partitions)
	}
	return &s.out, partition, nil
}
