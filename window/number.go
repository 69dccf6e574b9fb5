package window

import (
	"github.com/weirstreams/weir/codec"
)

// Number is what can be added up.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// Count counts the records of a window.
func Count[V any]() Aggregator[V, int64, int64] { return count[V]{} }

type count[V any] struct{}

func (count[V]) Init() int64                 { return 0 }
func (count[V]) Add(n *int64, _ V, _ int64)  { *n++ }
func (count[V]) Result(n *int64) int64       { return *n }
func (count[V]) Merge(dst *int64, src int64) { *dst += src }
func (count[V]) Codec() codec.Codec[int64]   { return codec.Int64() }

// Min keeps the smallest of what of returns. The result of a window without values is 0.
func Min[V any, N Number](of func(V) N) Aggregator[V, Extreme[N], N] {
	return &extreme[V, N]{name: "min", of: of, codec: extremeCodec[N]{codec.For[N]()}, better: func(a, b N) bool { return a < b }}
}

// Max keeps the greatest of what of returns. The result of a window without values is 0.
func Max[V any, N Number](of func(V) N) Aggregator[V, Extreme[N], N] {
	return &extreme[V, N]{name: "max", of: of, codec: extremeCodec[N]{codec.For[N]()}, better: func(a, b N) bool { return a > b }}
}

// Extreme is the accumulator of Min and Max.
type Extreme[N Number] struct {
	value N
	seen  bool
}

type extreme[V any, N Number] struct {
	name   string
	of     func(V) N
	better func(a, b N) bool
	codec  codec.Codec[Extreme[N]]
}

func (e *extreme[V, N]) Init() Extreme[N] { return Extreme[N]{} }
func (e *extreme[V, N]) Add(acc *Extreme[N], v V, _ int64) {
	if n := e.of(v); !acc.seen || e.better(n, acc.value) {
		*acc = Extreme[N]{n, true}
	}
}

func (e *extreme[V, N]) Merge(dst *Extreme[N], src Extreme[N]) {
	if src.seen && (!dst.seen || e.better(src.value, dst.value)) {
		*dst = src
	}
}
func (e *extreme[V, N]) Result(acc *Extreme[N]) N       { return acc.value }
func (e *extreme[V, N]) Codec() codec.Codec[Extreme[N]] { return e.codec }
func (e *extreme[V, N]) Validate() error                { return checkFunctions(e.of == nil) }

// extremeCodec stores nothing for a window without values.
type extremeCodec[N Number] struct{ number codec.Codec[N] }

func (c extremeCodec[N]) Append(dst []byte, ctx *codec.Context, e Extreme[N]) ([]byte, error) {
	if !e.seen {
		return dst, nil
	}
	return c.number.Append(dst, ctx, e.value)
}

func (c extremeCodec[N]) Decode(ctx *codec.Context, data []byte) (Extreme[N], error) {
	if len(data) == 0 {
		return Extreme[N]{}, nil
	}
	n, err := c.number.Decode(ctx, data)
	return Extreme[N]{n, true}, err
}
