package codec

// Bytes returns the codec of []byte: the bytes as they are.
//
// A nil slice is null (see [Nuller]); an empty slice is an empty key or value, in both directions.
// Decode copies. Neither direction fails.
func Bytes() Codec[[]byte] { return bytesCodec{} }

type bytesCodec struct{}

func (bytesCodec) Append(dst []byte, _ *Context, v []byte) ([]byte, error) {
	return append(dst, v...), nil
}

// Decode starts from an empty slice that is not nil, because nil would say null.
func (bytesCodec) Decode(_ *Context, data []byte) ([]byte, error) {
	return append([]byte{}, data...), nil
}

func (bytesCodec) IsNull(v []byte) bool { return v == nil }

// NullIsZeroWord is that of nilableJSON.
func (bytesCodec) NullIsZeroWord() bool { return true }

// String returns the codec of string: its bytes as they are, which for text is UTF-8, as the Kafka clients' string
// serializers write.
//
// It does not check that the bytes are valid UTF-8: a key that passes through must come out as it went in, or it would
// move to another partition. Neither direction fails.
func String() Codec[string] { return stringCodec{} }

type stringCodec struct{}

func (stringCodec) Append(dst []byte, _ *Context, v string) ([]byte, error) {
	return append(dst, v...), nil
}

func (stringCodec) Decode(_ *Context, data []byte) (string, error) { return string(data), nil }

// emptyCodec encodes struct{}, which has nothing to encode: for sets kept as state and for records that are only a key.
type emptyCodec struct{}

func (emptyCodec) Append(dst []byte, _ *Context, _ struct{}) ([]byte, error) { return dst, nil }

func (emptyCodec) Decode(c *Context, data []byte) (struct{}, error) {
	if len(data) != 0 {
		return struct{}{}, wrongLength[struct{}](c, 0, data)
	}
	return struct{}{}, nil
}
