package kafka

import "github.com/weirstreams/weir/codec"

// Topic is a topic with the types of its keys and values. stream.Topic is one.
type Topic[K, V any] interface {
	// Name returns the name of the topic in the program: see Config.Prefix and Config.TopicName.
	Name() string
	KeyCodec() codec.Codec[K]
	ValueCodec() codec.Codec[V]
}
