package sourcing

import (
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/source"
)

// write writes a record to the partition that its batch names, or that of its key.
func (s *Slot[K, V]) write() error {
	partition, ok := s.current.batch.Partition()
	if !ok {
		return s.next.Receive(&s.out)
	}
	next, ok := s.next.(placed[K, V])
	if !ok {
		return operator.Fatal(fmt.Errorf("a batch names partition %d, and its records are not written to a topic", partition))
	}
	if n := next.Partitions(); partition >= n {
		return operator.Fatal(s.tooFew(n, partition+1)) // and not for the error policy to skip
	}
	return next.ReceiveIn(partition, &s.out)
}

// placed is a receiver that writes to a topic.
type placed[K, V any] interface {
	ReceiveIn(partition int32, r *weir.Record[K, V]) error
	Partitions() int32
}

// checkPartitions returns an error if the topic has less partitions than the source.
func (s *Slot[K, V]) checkPartitions() error {
	from, isPartitioned := s.from.(source.Partitioned)
	next, isPlaced := s.next.(placed[K, V])
	if !isPartitioned || !isPlaced {
		return nil
	}
	has, needs := next.Partitions(), from.Partitions()
	if has < needs {
		return fmt.Errorf("source %q: %w", s.options.Name, s.tooFew(has, needs))
	}
	if has > needs && needs > 0 {
		s.task.Logger.Warn("the source keeps the partitions of its records, and its topic has more; a join of it with another topic finds only keys that are in equal partitions of both",
			"topic", s.topic, "partitions", has, "source_partitions", needs)
	}
	return nil
}

func (s *Slot[K, V]) tooFew(has, needs int32) error {
	return fmt.Errorf("%w: the source keeps the partitions of its records and has %d, and its topic had %d when the task was opened: give the topic %d partitions, "+
		"and start the application again, or let the source write records to the partitions of their keys", weir.ErrTopicSettings, needs, has, needs)
}
