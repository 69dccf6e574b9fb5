package sketch

import (
	"fmt"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/store"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/window"
)

// Quantiles is the accumulator of [Quantile]: an estimate of the distribution of numbers.
type Quantiles struct{ bins *ddsketch.DDSketch }

// maxBins bounds the memory of a sketch: 2048 bins on each side of 0.
const maxBins = 2048

// Quantile estimates the value with the given part of all values of of below it, 0.99 for example, by DDSketch: the
// relative error is at most 1 %. Where values span more than some 17 orders of magnitude, the smallest lose precision.
// NaN and infinities are left out. The result of a window without values is 0; see [window.Optional].
func Quantile[V any, N window.Number](quantile float64, of func(V) N) window.Aggregator[V, Quantiles, float64] {
	return &quantileOf[V, N]{quantile, of}
}

type quantileOf[V any, N window.Number] struct {
	quantile float64
	of       func(V) N
}

func (*quantileOf[V, N]) Init() Quantiles {
	bins, err := ddsketch.LogCollapsingLowestDenseDDSketch(0.01, maxBins)
	if err != nil {
		panic(err) // the constants are in range
	}
	return Quantiles{bins}
}

func (q *quantileOf[V, N]) Add(acc *Quantiles, v V, _ int64) {
	_ = acc.bins.Add(float64(q.of(v))) // it fails for the values that the documentation names
}

func (*quantileOf[V, N]) Merge(dst *Quantiles, src Quantiles) {
	if err := dst.bins.MergeWith(src.bins); err != nil {
		panic(err) // sketches of different precision: cannot be
	}
}

func (q *quantileOf[V, N]) Result(acc *Quantiles) float64 {
	if acc.bins.IsEmpty() {
		return 0
	}
	v, _ := acc.bins.GetValueAtQuantile(q.quantile)
	return v
}
func (*quantileOf[V, N]) Codec() codec.Codec[Quantiles] { return quantileCodec{} }
func (q *quantileOf[V, N]) Validate() error {
	if !(q.quantile >= 0 && q.quantile <= 1) {
		return fmt.Errorf("quantile %v: must be between 0 and 1", q.quantile)
	}
	return checkFunction(q.of == nil)
}

type quantileCodec struct{}

func (quantileCodec) Append(dst []byte, _ *codec.Context, s Quantiles) ([]byte, error) {
	s.bins.Encode(&dst, false)
	return dst, nil
}

func (quantileCodec) Decode(_ *codec.Context, data []byte) (Quantiles, error) {
	provider := func() store.Store { return store.NewCollapsingLowestDenseStore(maxBins) }
	bins, err := ddsketch.DecodeDDSketch(data, provider, nil)
	if err != nil {
		return Quantiles{}, fmt.Errorf("sketch of quantiles: %w", err)
	}
	return Quantiles{bins}, nil
}

// AccumulatorName implements [window.Named].
func (*quantileOf[V, N]) AccumulatorName() string { return "quantile" }
