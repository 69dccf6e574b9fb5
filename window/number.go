package window

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weirstreams/weir/codec"
)

// Number is what can be added up.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// Count counts the records of a window.
func Count[V any]() Aggregator[V, int64, int64] { return count[V]{} }

type count[V any] struct{}

func (count[V]) Init() int64                { return 0 }
func (count[V]) Add(n *int64, _ V, _ int64) { *n++ }
func (count[V]) Result(n *int64) int64      { return *n }
func (count[V]) Codec() codec.Codec[int64]  { return codec.Int64() }

// Sum adds up what of returns. Integers wrap around silently; floats are added in the order of arrival.
func Sum[V any, N Number](of func(V) N) Aggregator[V, N, N] {
	return &sum[V, N]{of: of, codec: codec.For[N]()}
}

type sum[V any, N Number] struct {
	of    func(V) N
	codec codec.Codec[N]
}

func (s *sum[V, N]) Init() N                  { return 0 }
func (s *sum[V, N]) Add(acc *N, v V, _ int64) { *acc += s.of(v) }
func (s *sum[V, N]) Result(acc *N) N          { return *acc }
func (s *sum[V, N]) Codec() codec.Codec[N]    { return s.codec }
func (s *sum[V, N]) Validate() error          { return checkFunctions(s.of == nil) }

// Min keeps the smallest of what of returns.
func Min[V any, N Number](of func(V) N) Aggregator[V, Extreme[N], N] {
	return &extreme[V, N]{of: of, codec: extremeCodec[N]{codec.For[N]()}, better: func(a, b N) bool { return a < b }}
}

// Max keeps the greatest of what of returns.
func Max[V any, N Number](of func(V) N) Aggregator[V, Extreme[N], N] {
	return &extreme[V, N]{of: of, codec: extremeCodec[N]{codec.For[N]()}, better: func(a, b N) bool { return a > b }}
}

// Extreme is the accumulator of Min and Max.
type Extreme[N Number] struct {
	value N
	seen  bool
}

type extreme[V any, N Number] struct {
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
func (e *extreme[V, N]) Result(acc *Extreme[N]) N       { return acc.value }
func (e *extreme[V, N]) Codec() codec.Codec[Extreme[N]] { return e.codec }
func (e *extreme[V, N]) Validate() error                { return checkFunctions(e.of == nil) }

// extremeCodec stores the value alone: a window that is stored has seen one.
type extremeCodec[N Number] struct{ number codec.Codec[N] }

func (c extremeCodec[N]) Append(dst []byte, ctx *codec.Context, e Extreme[N]) ([]byte, error) {
	return c.number.Append(dst, ctx, e.value)
}

func (c extremeCodec[N]) Decode(ctx *codec.Context, data []byte) (Extreme[N], error) {
	n, err := c.number.Decode(ctx, data)
	return Extreme[N]{n, true}, err
}

// Mean computes the arithmetic mean of what of returns.
func Mean[V any, N Number](of func(V) N) Aggregator[V, MeanState, float64] { return &mean[V, N]{of} }

// MeanState is the accumulator of Mean.
type MeanState struct {
	sum   float64
	count int64
}

type mean[V any, N Number] struct{ of func(V) N }

func (*mean[V, N]) Init() MeanState { return MeanState{} }
func (m *mean[V, N]) Add(acc *MeanState, v V, _ int64) {
	acc.sum += float64(m.of(v))
	acc.count++
}
func (*mean[V, N]) Result(acc *MeanState) float64 { return acc.sum / float64(acc.count) }
func (*mean[V, N]) Codec() codec.Codec[MeanState] { return meanCodec{} }
func (m *mean[V, N]) Validate() error             { return checkFunctions(m.of == nil) }

type meanCodec struct{}

func (meanCodec) Append(dst []byte, _ *codec.Context, m MeanState) ([]byte, error) {
	dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(m.sum))
	return binary.BigEndian.AppendUint64(dst, uint64(m.count)), nil
}

func (meanCodec) Decode(_ *codec.Context, data []byte) (MeanState, error) {
	if len(data) != 16 {
		return MeanState{}, fmt.Errorf("mean: want 16 bytes, got %d", len(data))
	}
	return MeanState{
		sum:   math.Float64frombits(binary.BigEndian.Uint64(data)),
		count: int64(binary.BigEndian.Uint64(data[8:])),
	}, nil
}
