package window

import (
	"fmt"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/store"
	"github.com/axiomhq/hyperloglog"

	"github.com/weirstreams/weir/codec"
)

// CountDistinctApprox estimates the number of different values that of returns, by HyperLogLog with 2^14 registers: the
// standard error is 0.8 %, and it takes at most some 16 KiB for each window.
func CountDistinctApprox[V any](of func(V) []byte) Aggregator[V, *hyperloglog.Sketch, int64] {
	return &approx[V]{of}
}

type approx[V any] struct{ of func(V) []byte }

func (*approx[V]) Init() *hyperloglog.Sketch                    { return hyperloglog.New14() }
func (a *approx[V]) Add(acc **hyperloglog.Sketch, v V, _ int64) { (*acc).Insert(a.of(v)) }
func (*approx[V]) Result(acc **hyperloglog.Sketch) int64        { return int64((*acc).Estimate()) }
func (*approx[V]) Codec() codec.Codec[*hyperloglog.Sketch]      { return approxCodec{} }
func (a *approx[V]) Validate() error                            { return checkFunctions(a.of == nil) }

func (*approx[V]) Merge(dst **hyperloglog.Sketch, src *hyperloglog.Sketch) {
	if err := (*dst).Merge(src); err != nil {
		panic(err) // sketches of different precision: cannot be
	}
}

type approxCodec struct{}

func (approxCodec) Append(dst []byte, _ *codec.Context, s *hyperloglog.Sketch) ([]byte, error) {
	return s.AppendBinary(dst)
}

func (approxCodec) Decode(_ *codec.Context, data []byte) (*hyperloglog.Sketch, error) {
	s := hyperloglog.New14()
	if err := s.UnmarshalBinary(data); err != nil {
		return nil, fmt.Errorf("sketch of distinct values: %w", err)
	}
	return s, nil
}

// quantileBins bounds the memory of a sketch: 2048 bins on each side of 0.
const quantileBins = 2048

// Quantile estimates the value with the given part of all values of of below it, 0.99 for example, by DDSketch: the
// relative error is at most 1 %. Where values span more than some 17 orders of magnitude, the smallest lose precision.
// NaN and infinities are left out. The result of a window without values is 0; see [Optional].
func Quantile[V any, N Number](quantile float64, of func(V) N) Aggregator[V, *ddsketch.DDSketch, float64] {
	return &quantileOf[V, N]{quantile, of}
}

type quantileOf[V any, N Number] struct {
	quantile float64
	of       func(V) N
}

func newQuantileSketch() *ddsketch.DDSketch {
	s, err := ddsketch.LogCollapsingLowestDenseDDSketch(0.01, quantileBins)
	if err != nil {
		panic(err) // the constants are in range
	}
	return s
}

func (*quantileOf[V, N]) Init() *ddsketch.DDSketch { return newQuantileSketch() }
func (q *quantileOf[V, N]) Add(acc **ddsketch.DDSketch, v V, _ int64) {
	_ = (*acc).Add(float64(q.of(v))) // it fails for what the documentation says
}

func (*quantileOf[V, N]) Merge(dst **ddsketch.DDSketch, src *ddsketch.DDSketch) {
	if err := (*dst).MergeWith(src); err != nil {
		panic(err) // sketches of different precision: cannot be
	}
}

func (q *quantileOf[V, N]) Result(acc **ddsketch.DDSketch) float64 {
	if (*acc).IsEmpty() {
		return 0
	}
	v, _ := (*acc).GetValueAtQuantile(q.quantile)
	return v
}
func (*quantileOf[V, N]) Codec() codec.Codec[*ddsketch.DDSketch] { return quantileCodec{} }
func (q *quantileOf[V, N]) Validate() error {
	if !(q.quantile >= 0 && q.quantile <= 1) {
		return fmt.Errorf("quantile %v: must be between 0 and 1", q.quantile)
	}
	return checkFunctions(q.of == nil)
}

type quantileCodec struct{}

func (quantileCodec) Append(dst []byte, _ *codec.Context, s *ddsketch.DDSketch) ([]byte, error) {
	s.Encode(&dst, false)
	return dst, nil
}

func (quantileCodec) Decode(_ *codec.Context, data []byte) (*ddsketch.DDSketch, error) {
	provider := func() store.Store { return store.NewCollapsingLowestDenseStore(quantileBins) }
	s, err := ddsketch.DecodeDDSketch(data, provider, nil)
	if err != nil {
		return nil, fmt.Errorf("sketch of quantiles: %w", err)
	}
	return s, nil
}
