package window

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weirstreams/weir/codec"
)

// Sum adds up the values that of returns. Integers wrap around silently. Floats are added with compensation (Neumaier's variant of
// Kahan's algorithm): the error does not grow with the number of values. Infinities and NaN propagate.
func Sum[V any, N Number](of func(V) N) Aggregator[V, SumState[N], N] {
	return &sum[V, N]{of: of, codec: sumCodec[N]{codec.For[N](), isFloat[N]()}}
}

// isFloat reports whether N has fractions.
func isFloat[N Number]() bool { return N(1)/2 != 0 }

// SumState is the accumulator of Sum.
type SumState[N Number] struct {
	sum N
	// lost is the rounding error of sum, for floats.
	lost N
}

// add adds n. For integers lost stays 0, as nothing is rounded.
func (s *SumState[N]) add(n N) {
	t := s.sum + n
	if N(1)/2 != 0 { // a constant for each N
		if larger(s.sum, n) {
			s.lost += (s.sum - t) + n
		} else {
			s.lost += (n - t) + s.sum
		}
	}
	s.sum = t
}

func larger[N Number](a, b N) bool {
	if a < 0 {
		a = -a
	}
	if b < 0 {
		b = -b
	}
	return a >= b
}

// Total returns the sum. An infinite sum has lost nothing that could be told.
func (s *SumState[N]) Total() N {
	if t := s.sum + s.lost; t == t {
		return t
	}
	return s.sum
}

type sum[V any, N Number] struct {
	of    func(V) N
	codec codec.Codec[SumState[N]]
}

func (s *sum[V, N]) Init() SumState[N]                  { return SumState[N]{} }
func (s *sum[V, N]) Add(acc *SumState[N], v V, _ int64) { acc.add(s.of(v)) }
func (s *sum[V, N]) Subtract(acc *SumState[N], v V)     { acc.add(0 - s.of(v)) }
func (s *sum[V, N]) Merge(dst *SumState[N], src SumState[N]) {
	dst.add(src.sum)
	dst.lost += src.lost
}
func (s *sum[V, N]) Result(acc *SumState[N]) N       { return acc.Total() }
func (s *sum[V, N]) Codec() codec.Codec[SumState[N]] { return s.codec }
func (s *sum[V, N]) Validate() error                 { return checkFunctions(s.of == nil) }

// sumCodec stores the sum and, for floats, its rounding error.
type sumCodec[N Number] struct {
	number codec.Codec[N]
	floats bool
}

func (c sumCodec[N]) Append(dst []byte, ctx *codec.Context, s SumState[N]) ([]byte, error) {
	if c.floats {
		dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(float64(s.lost)))
	}
	return c.number.Append(dst, ctx, s.sum)
}

func (c sumCodec[N]) Decode(ctx *codec.Context, data []byte) (s SumState[N], err error) {
	if c.floats {
		if len(data) < 8 {
			return s, fmt.Errorf("sum: want 8 bytes or more, got %d", len(data))
		}
		s.lost = N(math.Float64frombits(binary.BigEndian.Uint64(data)))
		data = data[8:]
	}
	s.sum, err = c.number.Decode(ctx, data)
	return s, err
}

// Mean computes the arithmetic mean of the values that of returns, with compensation as Sum has it. The result of a window without
// values is 0; see [Optional] for one that tells it from a mean of 0.
func Mean[V any, N Number](of func(V) N) Aggregator[V, MeanState, float64] { return &mean[V, N]{of} }

// MeanState is the accumulator of Mean.
type MeanState struct {
	sum   SumState[float64]
	count int64
}

type mean[V any, N Number] struct{ of func(V) N }

func (*mean[V, N]) Init() MeanState { return MeanState{} }
func (m *mean[V, N]) Add(acc *MeanState, v V, _ int64) {
	acc.sum.add(float64(m.of(v)))
	acc.count++
}

func (m *mean[V, N]) Subtract(acc *MeanState, v V) {
	acc.sum.add(-float64(m.of(v)))
	acc.count--
}

func (m *mean[V, N]) Merge(dst *MeanState, src MeanState) {
	dst.sum.add(src.sum.sum)
	dst.sum.lost += src.sum.lost
	dst.count += src.count
}

func (*mean[V, N]) Result(acc *MeanState) float64 {
	if acc.count == 0 {
		return 0
	}
	return acc.sum.Total() / float64(acc.count)
}
func (*mean[V, N]) Codec() codec.Codec[MeanState] { return meanCodec{} }
func (m *mean[V, N]) Validate() error             { return checkFunctions(m.of == nil) }

type meanCodec struct{}

func (meanCodec) Append(dst []byte, _ *codec.Context, m MeanState) ([]byte, error) {
	return appendFixed(dst, math.Float64bits(m.sum.sum), math.Float64bits(m.sum.lost), uint64(m.count)), nil
}

func (meanCodec) Decode(_ *codec.Context, data []byte) (m MeanState, err error) {
	var n [3]uint64
	if err := decodeFixed(data, n[:]); err != nil {
		return m, fmt.Errorf("mean: %w", err)
	}
	return MeanState{SumState[float64]{math.Float64frombits(n[0]), math.Float64frombits(n[1])}, int64(n[2])}, nil
}

// appendFixed appends numbers of 8 bytes.
func appendFixed(dst []byte, numbers ...uint64) []byte {
	for _, n := range numbers {
		dst = binary.BigEndian.AppendUint64(dst, n)
	}
	return dst
}

// decodeFixed reads the output of appendFixed.
func decodeFixed(data []byte, numbers []uint64) error {
	if len(data) != 8*len(numbers) {
		return fmt.Errorf("want %d bytes, got %d", 8*len(numbers), len(data))
	}
	for i := range numbers {
		numbers[i] = binary.BigEndian.Uint64(data[8*i:])
	}
	return nil
}
