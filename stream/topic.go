package stream

import (
	"maps"

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

// WithConfig sets the settings that the topic gets if the application creates it, by Kafka's names ("retention.ms").
func (t Topic[K, V]) WithConfig(config map[string]string) Topic[K, V] {
	t.config = maps.Clone(config)
	return t
}
