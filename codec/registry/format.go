package registry

import "github.com/weirstreams/weir/codec"

// Format encodes payloads: the bytes behind the schema id. It is implemented by the formats of codec/avro, codec/protobuf and
// codec/jsonschema; use another one with [Of] as well.
//
// If the format also implements codec.Nuller, so does the codec that Of makes of it. If it implements
// codec.NullEncoding, the codecs that it returns do so too, and they are asked about payloads.
type Format[T any] interface {
	// Schema returns the schema to be registered. Text is empty if the format can only read.
	Schema() Schema

	// Writer returns a codec that encodes payloads for the schema that the registry has for the topic: the
	// format's own, or with [UseLatest] the latest one. It is called once for each topic.
	Writer(registered Schema) (codec.Codec[T], error)

	// Reader returns a codec that decodes payloads written with the schema of writer. It is
	// called once for each schema id. A format that does not need the writer's schema does not call writer, and the
	// registry is not asked. Reader wraps the error of writer in its own.
	Reader(writer func() (Schema, error)) (codec.Codec[T], error)
}
