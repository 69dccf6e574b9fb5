// Package codec turns typed keys, values and states into bytes and back.
//
// A [Codec] is append-style on the way out, so that the runtime encodes straight into the buffer that goes to the
// broker, and copies on the way in, because the bytes that it is given belong to a fetch buffer that is used again.
//
// The runtime passes a null key or value around the codec. A codec of a type with a null implements [Nuller], and a codec
// with an encoding of null implements [NullEncoding].
package codec

import "github.com/weirstreams/weir"

// Codec encodes and decodes values of type T.
//
// A Codec is used by many goroutines at once and must not keep state that changes. An implementation may
// cache constants, such as schemas, if it guards the cache itself.
type Codec[T any] interface {
	// Append appends the encoding of v to dst and returns the extended slice, as append does.
	// On an error dst is returned as it was given; the bytes between its length and its capacity are undefined.
	Append(dst []byte, c *Context, v T) ([]byte, error)

	// Decode returns the value that data encodes. data is valid only during the call and must not be changed; the
	// result must not share memory with it.
	Decode(c *Context, data []byte) (T, error)
}

// Nuller is implemented by codecs of types that have a null of their own, such as pointers and byte slices. The
// runtime asks it before Append and writes a null (for a value: a tombstone) where it says true, and after Decode, where
// true makes the record a record with a null. A state that is set to null is deleted.
type Nuller[T any] interface {
	IsNull(v T) bool
}

// Part names the part of a record that the bytes are.
type Part uint8

const (
	// Key is the key of a Kafka record.
	Key Part = iota
	// Value is the value of a Kafka record.
	Value
	// State is a value kept in a state store and in its changelog.
	State
)

// String returns "key", "value" or "state".
func (p Part) String() string {
	switch p {
	case Key:
		return "key"
	case Value:
		return "value"
	default:
		return "state"
	}
}

// Context describes the record of a call to a codec. It belongs to the caller and is valid only during the call.
type Context struct {
	// Topic is the Kafka topic, or the name of the store when Part is State.
	Topic string
	// Part says whether a key, a value or a state is encoded.
	Part Part
	// Headers are the headers of the record. While decoding they must not be changed. While encoding they are
	// the headers of the output, and a codec may append to them.
	Headers []weir.Header
}
