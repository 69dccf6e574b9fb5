package window

import (
	"fmt"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/store"
	"github.com/axiomhq/hyperloglog"

	"github.com/weirstreams/weir/codec"
)

// DistinctSketch is the accumulator of [CountDistinctApprox]: an estimate of the number of different values.
type DistinctSketch struct{ registers *hyperloglog.Sketch }

// CountDistinctApprox estimates the number of different values that of returns, by HyperLogLog with 2^14 registers: the
// standard error is 0.8 %, and it takes at most some 16 KiB for each window.
func CountDistinctApprox[V any](of func(V) []byte) Aggregator[V, DistinctSketch, int64] {
	return &approx[V]{of}
}

type approx[V any] struct{ of func(V) []byte }

func (*approx[V]) Init() DistinctSketch                    { return DistinctSketch{hyperloglog.New14()} }
func (a *approx[V]) Add(acc *DistinctSketch, v V, _ int64) { acc.registers.Insert(a.of(v)) }
func (*approx[V]) Result(acc *DistinctSketch) int64        { return int64(acc.registers.Estimate()) }
func (*approx[V]) Codec() codec.Codec[DistinctSketch]      { return approxCodec{} }
func (a *approx[V]) Validate() error                       { return checkFunctions(a.of == nil) }

func (*approx[V]) Merge(dst *DistinctSketch, src DistinctSketch) {
	if err := dst.registers.Merge(src.registers); err != nil {
		panic(err) // sketches of different precision: cannot be
	}
}

type approxCodec struct{}

func (approxCodec) Append(dst []byte, _ *codec.Context, s DistinctSketch) ([]byte, error) {
	return s.registers.AppendBinary(dst)
}

func (approxCodec) Decode(_ *codec.Context, data []byte) (DistinctSketch, error) {
	s := DistinctSketch{hyperloglog.New14()}
	if err := s.registers.UnmarshalBinary(data); err != nil {
		return DistinctSketch{}, fmt.Errorf("sketch of distinct values: %w", err)
	}
	return s, nil
}

// QuantileSketch is the accumulator of [Quantile]: an estimate of the distribution of numbers.
type QuantileSketch struct{ bins *ddsketch.DDSketch }

// quantileBins bounds the memory of a sketch: 2048 bins on each side of 0.
const quantileBins = 2048

// Quantile estimates the value with the given part of all values of of below it, 0.99 for example, by DDSketch: the
// relative error is at most 1 %. Where values span more than some 17 orders of magnitude, the smallest lose precision.
// NaN and infinities are left out. The result of a window without values is 0; see [Optional].
func Quantile[V any, N Number](quantile float64, of func(V) N) Aggregator[V, QuantileSketch, float64] {
	return &quantileOf[V, N]{quantile, of}
}

type quantileOf[V any, N Number] struct {
	quantile float64
	of       func(V) N
}

func (*quantileOf[V, N]) Init() QuantileSketch {
	bins, err := ddsketch.LogCollapsingLowestDenseDDSketch(0.01, quantileBins)
	if err != nil {
		panic(err) // the constants are in range
	}
	return QuantileSketch{bins}
}

func (q *quantileOf[V, N]) Add(acc *QuantileSketch, v V, _ int64) {
	_ = acc.bins.Add(float64(q.of(v))) // it fails for the values that the documentation names
}

func (*quantileOf[V, N]) Merge(dst *QuantileSketch, src QuantileSketch) {
	if err := dst.bins.MergeWith(src.bins); err != nil {
		panic(err) // sketches of different precision: cannot be
	}
}

func (q *quantileOf[V, N]) Result(acc *QuantileSketch) float64 {
	if acc.bins.IsEmpty() {
		return 0
	}
	v, _ := acc.bins.GetValueAtQuantile(q.quantile)
	return v
}
func (*quantileOf[V, N]) Codec() codec.Codec[QuantileSketch] { return quantileCodec{} }
func (q *quantileOf[V, N]) Validate() error {
	if !(q.quantile >= 0 && q.quantile <= 1) {
		return fmt.Errorf("quantile %v: must be between 0 and 1", q.quantile)
	}
	return checkFunctions(q.of == nil)
}

type quantileCodec struct{}

func (quantileCodec) Append(dst []byte, _ *codec.Context, s QuantileSketch) ([]byte, error) {
	s.bins.Encode(&dst, false)
	return dst, nil
}

func (quantileCodec) Decode(_ *codec.Context, data []byte) (QuantileSketch, error) {
	provider := func() store.Store { return store.NewCollapsingLowestDenseStore(quantileBins) }
	bins, err := ddsketch.DecodeDDSketch(data, provider, nil)
	if err != nil {
		return QuantileSketch{}, fmt.Errorf("sketch of quantiles: %w", err)
	}
	return QuantileSketch{bins}, nil
}
