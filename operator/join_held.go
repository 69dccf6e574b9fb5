package operator

import (
	"encoding/binary"
	"errors"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
)

// Held is a value that a join keeps.
type Held[V any] struct {
	Value V
	// Headers are those of the record, if they are needed again.
	Headers []weir.Header
	// From is the place of the record, if it may be emitted when another one is processed. Otherwise, and in state of Weir before that was kept, it is nil.
	From *heldOrigin
	// Null says that the value was null.
	Null bool
	// Matched says that the record was emitted with a match.
	Matched bool
}

// held returns the value of a record to be kept. A value that is null by its type is kept as a null. cloned, if not nil, copies a value
// that may change while it is kept.
func held[K, V any](r *weir.Record[K, V], null *nullRule[V], cloned func(V) V) Held[V] {
	switch {
	case r.ValueNull || null.any && null.is(&r.Value):
		return Held[V]{Null: true}
	case cloned != nil:
		return Held[V]{Value: cloned(r.Value)}
	}
	return Held[V]{Value: r.Value}
}

// heldCodec writes flags, place and headers if there are any, and the value.
type heldCodec[V any] struct{ value codec.Codec[V] }

const (
	heldNull byte = 1 << iota
	heldMatched
	heldHeaders
	heldFrom
)

var errHeld = errors.New("value of a join is cut off")

func (c heldCodec[V]) Append(dst []byte, ctx *codec.Context, h Held[V]) ([]byte, error) {
	var flags byte
	if h.Null {
		flags |= heldNull
	}
	if h.Matched {
		flags |= heldMatched
	}
	if len(h.Headers) > 0 {
		flags |= heldHeaders
	}
	if h.From != nil {
		flags |= heldFrom
	}
	dst = append(dst, flags)
	if h.From != nil {
		dst = h.From.append(dst)
	}
	if len(h.Headers) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(h.Headers)))
		for _, header := range h.Headers {
			dst = binary.AppendUvarint(dst, uint64(len(header.Key)))
			dst = append(dst, header.Key...)
			dst = binary.AppendVarint(dst, int64(len(header.Value))-lengthOfNull(header.Value))
			dst = append(dst, header.Value...)
		}
	}
	if h.Null {
		return dst, nil
	}
	return c.value.Append(dst, ctx, h.Value)
}

// lengthOfNull makes the length of a null header -1.
func lengthOfNull(value []byte) int64 {
	if value == nil {
		return 1
	}
	return 0
}

func (c heldCodec[V]) Decode(ctx *codec.Context, data []byte) (h Held[V], err error) {
	if len(data) == 0 {
		return h, errHeld
	}
	flags := data[0]
	data = data[1:]
	h.Null, h.Matched = flags&heldNull != 0, flags&heldMatched != 0
	if flags&heldFrom != 0 {
		h.From = new(heldOrigin)
		if data, err = h.From.decode(data); err != nil {
			return h, err
		}
	}
	if flags&heldHeaders != 0 {
		if h.Headers, data, err = decodeHeaders(data); err != nil {
			return h, err
		}
	}
	if h.Null {
		return h, nil
	}
	h.Value, err = c.value.Decode(ctx, data)
	return h, err
}

// version is a value on the right side of an as-of join, which needs no headers: less to move and to measure for each record.
type version[V any] struct {
	Value V
	Null  bool
}

// versionCodec writes the format of heldCodec.
type versionCodec[V any] struct{ held heldCodec[V] }

func (c versionCodec[V]) Append(dst []byte, ctx *codec.Context, v version[V]) ([]byte, error) {
	return c.held.Append(dst, ctx, Held[V]{Value: v.Value, Null: v.Null})
}

func (c versionCodec[V]) Decode(ctx *codec.Context, data []byte) (version[V], error) {
	h, err := c.held.Decode(ctx, data)
	return version[V]{h.Value, h.Null}, err
}

func decodeHeaders(data []byte) (headers []weir.Header, rest []byte, err error) {
	count, n := binary.Uvarint(data)
	if n <= 0 || count > uint64(len(data)) {
		return nil, nil, errHeld
	}
	data = data[n:]
	for range count {
		var h weir.Header
		length, n := binary.Uvarint(data)
		if n <= 0 || length > uint64(len(data)-n) {
			return nil, nil, errHeld
		}
		h.Key, data = string(data[n:n+int(length)]), data[n+int(length):]
		size, n := binary.Varint(data)
		if n <= 0 || size > int64(len(data)-n) {
			return nil, nil, errHeld
		}
		data = data[n:]
		if size >= 0 {
			h.Value, data = append([]byte{}, data[:size]...), data[size:]
		}
		headers = append(headers, h)
	}
	return headers, data, nil
}

// copyHeaders copies headers out of a fetch buffer.
func copyHeaders(headers []weir.Header) []weir.Header {
	if len(headers) == 0 {
		return nil
	}
	out := make([]weir.Header, len(headers))
	for i, h := range headers {
		out[i].Key = h.Key
		if h.Value != nil {
			out[i].Value = append([]byte{}, h.Value...)
		}
	}
	return out
}
