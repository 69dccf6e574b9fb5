package window

import "github.com/weirstreams/weir/codec"

// Number is a type of numbers.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// Count counts the records of a window.
func Count[V any]() Aggregator[V, int64, int64] { return count[V]{} }

type count[V any] struct{}

func (count[V]) Init() int64                 { return 0 }
func (count[V]) Add(n *int64, _ V, _ int64)  { *n++ }
func (count[V]) Subtract(n *int64, _ V)      { *n-- }
func (count[V]) Result(n *int64) int64       { return *n }
func (count[V]) Merge(dst *int64, src int64) { *dst += src }
func (count[V]) Codec() codec.Codec[int64]   { return codec.Int64() }
