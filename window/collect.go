package window

import (
	"iter"
	"slices"

	"github.com/weirstreams/weir/codec"
)

// Collect keeps all values. The result has them in the order of time and, if times are equal, of arrival; in windows by
// count in the order of arrival. A value is stored once, with codec.For[V], however many windows it is in. Null values
// are left out.
func Collect[V any]() Aggregator[V, struct{}, []V] {
	return CollectOf(func(v V) V { return v })
}

// CollectOf is Collect for the values that of returns.
func CollectOf[V, T any](of func(V) T) Aggregator[V, struct{}, []T] {
	return &collect[V, T]{of: of, codec: codec.For[T]()}
}

type collect[V, T any] struct {
	of    func(V) T
	codec codec.Codec[T]
}

func (*collect[V, T]) Init() struct{}               { return struct{}{} }
func (*collect[V, T]) Add(*struct{}, V, int64)      {}
func (*collect[V, T]) Merge(*struct{}, struct{})    {}
func (*collect[V, T]) Result(*struct{}) []T         { return nil }
func (*collect[V, T]) Codec() codec.Codec[struct{}] { return codec.For[struct{}]() }
func (c *collect[V, T]) Validate() error            { return checkFunctions(c.of == nil) }
func (c *collect[V, T]) AppendItem(dst []byte, v V) ([]byte, error) {
	return c.codec.Append(dst, &codec.Context{Part: codec.State}, c.of(v))
}

func (c *collect[V, T]) ResultOf(_ *struct{}, items iter.Seq[[]byte]) ([]T, error) {
	out := []T{} // not nil: JSON writes an empty list
	for data := range items {
		v, err := c.codec.Decode(&codec.Context{Part: codec.State}, slices.Clone(data))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
