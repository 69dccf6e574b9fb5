package weir

import "time"

// Write replaces parts of a record when it is written to a topic: see stream.Stream.ToWith. A nil function changes nothing. The results of the functions
// count for the topic alone.
type Write[K, V any] struct {
	// Key returns the key.
	Key func(Record[K, V]) K
	// Partition returns the partition, given the number of partitions of the topic. It sees the record as it was.
	Partition func(r Record[K, V], partitions int32) int32
	// Time returns the time, which is cut to milliseconds.
	Time func(Record[K, V]) time.Time
	// Headers returns the headers. Those of the record must not be changed; appending to them is safe.
	Headers func(Record[K, V]) []Header
}
