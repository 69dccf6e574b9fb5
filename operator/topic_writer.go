package operator

import (
	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/murmur2"
	"github.com/weirstreams/weir/internal/raw"
)

// TopicWriter encodes records and writes them to a topic. The partition is the one that the Java client would choose for the
// key; records with a null key go to the partition of the empty key.
type TopicWriter[K, V any] struct {
	env          *Env
	node         int
	key          codec.Codec[K]
	value        codec.Codec[V]
	keyNull      nullRule[K]
	valueNull    nullRule[V]
	keyContext   codec.Context
	valueContext codec.Context
	output       Output
	partitions   int32
	// partition is the one that the next record goes to, or -1 if that is for the key to say.
	partition int32
	buffer    []byte
	record    raw.Record
	write     *weir.Write[K, V] // nil if what comes is what is written
	out       weir.Record[K, V]
}

// NewTopicWriter returns a sink that writes to output, the topic of that name.
func NewTopicWriter[K, V any](env *Env, node int, topic string, key codec.Codec[K], value codec.Codec[V], output Output) *TopicWriter[K, V] {
	return &TopicWriter[K, V]{
		env: env, node: node, key: key, value: value, output: output, partitions: output.Partitions(), partition: -1,
		keyNull: newNullRule(key), valueNull: newNullRule(value),
		keyContext:   codec.Context{Topic: topic, Part: codec.Key},
		valueContext: codec.Context{Topic: topic, Part: codec.Value},
	}
}

// Receive implements [Receiver].
func (s *TopicWriter[K, V]) Receive(r *weir.Record[K, V]) error {
	s.env.Enter(s.node)
	partition := s.partition
	var err error
	if s.write != nil {
		if r, partition, err = s.override(r); err != nil {
			return err
		}
	}
	out := &s.record
	// Field by field: a composite literal is built elsewhere and copied. The capacity is cut, so that a codec that appends does
	// not write into the headers of the input.
	out.Key, out.Value, out.Headers, out.Millis = nil, nil, r.Headers[:len(r.Headers):len(r.Headers)], r.Millis
	buffer := s.buffer[:0]
	hasKey := !r.KeyNull && !(s.keyNull.any && s.keyNull.is(&r.Key))
	if hasKey {
		s.keyContext.Headers = out.Headers
		if buffer, err = s.key.Append(buffer, &s.keyContext, r.Key); err != nil {
			return codecError(codec.Key, true, err)
		}
		if s.keyNull.any && s.keyNull.encoded(&s.keyContext, buffer) {
			hasKey, buffer, s.keyContext.Headers = false, buffer[:0], out.Headers
		}
		out.Headers = s.keyContext.Headers
	}
	end := len(buffer)
	hasValue := !r.ValueNull && !(s.valueNull.any && s.valueNull.is(&r.Value))
	if hasValue {
		s.valueContext.Headers = out.Headers
		if buffer, err = s.value.Append(buffer, &s.valueContext, r.Value); err != nil {
			return codecError(codec.Value, true, err)
		}
		if s.valueNull.any && s.valueNull.encoded(&s.valueContext, buffer[end:]) {
			hasValue, buffer, s.valueContext.Headers = false, buffer[:end], out.Headers
		}
		out.Headers = s.valueContext.Headers
	}
	s.buffer = buffer
	// An empty slice of the buffer is empty and not null, which a nil one would be.
	if hasKey {
		out.Key = nonNil(buffer[:end:end])
	}
	if hasValue {
		out.Value = nonNil(buffer[end:])
	}
	if partition < 0 {
		partition = murmur2.Partition(out.Key, s.partitions)
	}
	return s.output.Append(partition, out)
}

// ReceiveIn is Receive for a record that belongs in a partition, whatever its key is.
func (s *TopicWriter[K, V]) ReceiveIn(partition int32, r *weir.Record[K, V]) error {
	s.partition = partition
	defer func() { s.partition = -1 }()
	return s.Receive(r)
}

// Partitions returns the number of partitions of the topic.
func (s *TopicWriter[K, V]) Partitions() int32 { return s.partitions }

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
