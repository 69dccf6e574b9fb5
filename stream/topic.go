package stream

import (
	"maps"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
)

// Topic names a Kafka topic and says how its keys and values are encoded. It is immutable and may be used by several
// topologies.
type Topic[K, V any] struct {
	name       string
	key        codec.Codec[K]
	value      codec.Codec[V]
	partitions int32
	config     map[string]string
	at         func(*weir.Record[K, V]) int64    // nil takes the time of the message
	timestamps func(weir.Record[K, V]) time.Time // what at was made of
}

// NewTopic describes a topic. The topic has to exist on the cluster, unless the application is told to create missing
// topics.
func NewTopic[K, V any](name string, key codec.Codec[K], value codec.Codec[V]) Topic[K, V] {
	return Topic[K, V]{name: name, key: key, value: value}
}

// Name returns the name of the topic.
func (t Topic[K, V]) Name() string { return t.name }

// KeyCodec returns how keys are encoded.
func (t Topic[K, V]) KeyCodec() codec.Codec[K] { return t.key }

// ValueCodec returns how values are encoded.
func (t Topic[K, V]) ValueCodec() codec.Codec[V] { return t.value }

// WithPartitions sets how many partitions the topic gets if the application creates it. The default is 1.
func (t Topic[K, V]) WithPartitions(n int32) Topic[K, V] {
	t.partitions = n
	return t
}

// WithTimestamps sets the event time of a record, cut to milliseconds, where that is not the time of its message:
// windows, joins and all other operators use it, and output records carry it. at sees the decoded
// record with the time of the message. It is called by one goroutine per task, for each record that is read, and for each
// record of a message that is split. A panic is an error of the record.
//
// Time-aligned reading of several topics goes by the times of the messages.
func (t Topic[K, V]) WithTimestamps(at func(r weir.Record[K, V]) time.Time) Topic[K, V] {
	t.at, t.timestamps = nil, at
	if at != nil {
		t.at = func(r *weir.Record[K, V]) int64 { return at(*r).UnixMilli() }
	}
	return t
}

// Timestamps returns the function that WithTimestamps was given, or nil.
func (t Topic[K, V]) Timestamps() func(r weir.Record[K, V]) time.Time { return t.timestamps }

// WithConfig sets the settings that the topic gets if the application creates it, by Kafka's names ("retention.ms").
func (t Topic[K, V]) WithConfig(config map[string]string) Topic[K, V] {
	t.config = maps.Clone(config)
	return t
}
