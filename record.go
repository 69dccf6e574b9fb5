package weir

import "time"

// Record is one record on its way through a topology.
//
// A function that is given a Record owns the struct, but not the targets of Headers and Origin: they are valid during the call
// and must be copied to be kept, and must not be changed.
type Record[K, V any] struct {
	Key   K
	Value V
	// Millis is the event time in milliseconds since the Unix epoch. See Time and SetTime.
	Millis int64
	// Headers are the headers of the record, in order, duplicates kept.
	Headers []Header
	// Origin is the input record that this record descends from.
	Origin *Origin
	// KeyNull and ValueNull say that the key or value was null on the topic. Key and Value are then the zero values.
	KeyNull, ValueNull bool
}

// Time returns the event time of the record.
func (r *Record[K, V]) Time() time.Time { return time.UnixMilli(r.Millis) }

// SetTime sets the event time of the record, cut to milliseconds.
func (r *Record[K, V]) SetTime(t time.Time) { r.Millis = t.UnixMilli() }

// Header is one header of a Kafka record. Order and duplicates are kept.
type Header struct {
	Key   string
	Value []byte
}

// Origin says where the input record lay that is being processed. Everything that comes of one input record has the
// same Origin, however often it was mapped, expanded or aggregated.
type Origin struct {
	Topic     string
	Partition int32
	// LeaderEpoch is the epoch of the partition's leader that appended the record, as the broker wrote it into the record's batch.
	// It is -1 for message formats older than Kafka 0.11, and 0 in errors of records that the cluster refused.
	LeaderEpoch int32
	Offset      int64
	// Size is the length of the value on the topic in bytes, 0 for a null and in errors of records that the cluster refused.
	Size int
}
