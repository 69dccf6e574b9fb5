package window

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/weirstreams/weir/codec"
)

// CountDistinct counts the different values that of returns, exactly: each is kept. The estimate of package window/sketch takes less room.
func CountDistinct[V any, T comparable](of func(V) T) Aggregator[V, map[T]struct{}, int64] {
	return &distinct[V, T]{of, distinctCodec[T]{codec.For[T]()}}
}

type distinct[V any, T comparable] struct {
	of    func(V) T
	codec distinctCodec[T]
}

func (*distinct[V, T]) Init() map[T]struct{}                    { return nil }
func (d *distinct[V, T]) Add(acc *map[T]struct{}, v V, _ int64) { addDistinct(acc, d.of(v)) }
func (*distinct[V, T]) Result(acc *map[T]struct{}) int64        { return int64(len(*acc)) }
func (d *distinct[V, T]) Codec() codec.Codec[map[T]struct{}]    { return d.codec }
func (d *distinct[V, T]) Validate() error                       { return checkFunctions(d.of == nil) }

func (*distinct[V, T]) Merge(dst *map[T]struct{}, src map[T]struct{}) {
	for x := range src {
		addDistinct(dst, x)
	}
}

func addDistinct[T comparable](acc *map[T]struct{}, x T) {
	if *acc == nil {
		*acc = map[T]struct{}{}
	}
	(*acc)[x] = struct{}{}
}

// distinctCodec stores the encoded values, each after its length, sorted: so equal sets are equal bytes.
type distinctCodec[T comparable] struct{ value codec.Codec[T] }

func (c distinctCodec[T]) Append(dst []byte, ctx *codec.Context, set map[T]struct{}) ([]byte, error) {
	encoded := make([]string, 0, len(set))
	var b []byte
	for x := range set {
		var err error
		if b, err = c.value.Append(b[:0], ctx, x); err != nil {
			return dst, err
		}
		encoded = append(encoded, string(b))
	}
	slices.Sort(encoded)
	for _, e := range encoded {
		dst = binary.AppendUvarint(dst, uint64(len(e)))
		dst = append(dst, e...)
	}
	return dst, nil
}

func (c distinctCodec[T]) Decode(ctx *codec.Context, data []byte) (map[T]struct{}, error) {
	var set map[T]struct{}
	for len(data) > 0 {
		part, rest, err := cutPart(data)
		if err != nil {
			return nil, err
		}
		x, err := c.value.Decode(ctx, part)
		if err != nil {
			return nil, err
		}
		addDistinct(&set, x)
		data = rest
	}
	return set, nil
}

var errPart = errors.New("accumulator is cut off")

// cutPart takes a part off that follows its length, a uvarint.
func cutPart(data []byte) (part, rest []byte, err error) {
	length, n := binary.Uvarint(data)
	if n <= 0 || length > uint64(len(data)-n) {
		return nil, nil, errPart
	}
	data = data[n:]
	return data[:length:length], data[length:], nil
}
