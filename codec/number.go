package codec

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Int32 returns the codec of int32: 4 bytes, two's complement, big endian, as Kafka's IntegerSerializer writes.
//
// Decode fails with an [*Error] unless there are 4 bytes. Negative numbers sort after positive ones as bytes.
func Int32() Codec[int32] { return int32Codec{} }

type int32Codec struct{}

func (int32Codec) Append(dst []byte, _ *Context, v int32) ([]byte, error) {
	return binary.BigEndian.AppendUint32(dst, uint32(v)), nil
}

func (int32Codec) Decode(c *Context, data []byte) (int32, error) {
	if len(data) != 4 {
		return 0, wrongLength[int32](c, 4, data)
	}
	return int32(binary.BigEndian.Uint32(data)), nil
}

// Int64 returns the codec of int64: 8 bytes, two's complement, big endian, as Kafka's LongSerializer writes.
//
// Decode fails with an [*Error] unless there are 8 bytes. Negative numbers sort after positive ones as bytes.
func Int64() Codec[int64] { return int64Codec{} }

type int64Codec struct{}

func (int64Codec) Append(dst []byte, _ *Context, v int64) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, uint64(v)), nil
}

func (int64Codec) Decode(c *Context, data []byte) (int64, error) {
	if len(data) != 8 {
		return 0, wrongLength[int64](c, 8, data)
	}
	return int64(binary.BigEndian.Uint64(data)), nil
}

// Int returns the codec of int: 8 bytes as [Int64] writes them, on every platform.
//
// Decode fails with an [*Error] unless there are 8 bytes and the number fits an int.
func Int() Codec[int] { return intCodec{} }

type intCodec struct{}

func (intCodec) Append(dst []byte, _ *Context, v int) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, uint64(int64(v))), nil
}

func (intCodec) Decode(c *Context, data []byte) (int, error) {
	if len(data) != 8 {
		return 0, wrongLength[int](c, 8, data)
	}
	wide := int64(binary.BigEndian.Uint64(data))
	v := int(wide)
	if int64(v) != wide {
		return 0, failed[int](Decode, c, fmt.Errorf("%d does not fit an int of this platform", wide))
	}
	return v, nil
}

// Float32 returns the codec of float32: 4 bytes, IEEE 754 binary32, big endian, as Kafka's FloatSerializer writes.
//
// The bits are kept, those of a NaN too. Decode fails with an [*Error] unless there are 4 bytes.
func Float32() Codec[float32] { return float32Codec{} }

type float32Codec struct{}

func (float32Codec) Append(dst []byte, _ *Context, v float32) ([]byte, error) {
	return binary.BigEndian.AppendUint32(dst, math.Float32bits(v)), nil
}

func (float32Codec) Decode(c *Context, data []byte) (float32, error) {
	if len(data) != 4 {
		return 0, wrongLength[float32](c, 4, data)
	}
	return math.Float32frombits(binary.BigEndian.Uint32(data)), nil
}

// Float64 returns the codec of float64: 8 bytes, IEEE 754 binary64, big endian, as Kafka's DoubleSerializer writes.
//
// The bits are kept, those of a NaN too. Decode fails with an [*Error] unless there are 8 bytes.
func Float64() Codec[float64] { return float64Codec{} }

type float64Codec struct{}

func (float64Codec) Append(dst []byte, _ *Context, v float64) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(v)), nil
}

func (float64Codec) Decode(c *Context, data []byte) (float64, error) {
	if len(data) != 8 {
		return 0, wrongLength[float64](c, 8, data)
	}
	return math.Float64frombits(binary.BigEndian.Uint64(data)), nil
}

// Bool returns the codec of bool: one byte, 0 or 1, as Kafka's BooleanSerializer writes.
//
// Decode fails with an [*Error] for anything else.
func Bool() Codec[bool] { return boolCodec{} }

type boolCodec struct{}

func (boolCodec) Append(dst []byte, _ *Context, v bool) ([]byte, error) {
	if v {
		return append(dst, 1), nil
	}
	return append(dst, 0), nil
}

func (boolCodec) Decode(c *Context, data []byte) (bool, error) {
	if len(data) != 1 {
		return false, wrongLength[bool](c, 1, data)
	}
	if data[0] > 1 {
		return false, failed[bool](Decode, c, fmt.Errorf("want 0x00 or 0x01, got 0x%02x", data[0]))
	}
	return data[0] == 1, nil
}
