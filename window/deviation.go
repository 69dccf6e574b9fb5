package window

import (
	"fmt"
	"math"

	"github.com/weirstreams/weir/codec"
)

// StdDev computes the standard deviation of the values that of returns, of the whole population: the root of the mean square
// distance from the mean. It is computed without cancellation (Welford's algorithm; Chan, Golub and LeVeque's to merge).
// The result of a window without values is 0; see [Optional].
func StdDev[V any, N Number](of func(V) N) Aggregator[V, Deviation, float64] {
	return &deviation[V, N]{of}
}

// Deviation is the accumulator of StdDev.
type Deviation struct {
	count   int64
	mean    float64
	squares float64 // sum of the squared distances from the mean
}

type deviation[V any, N Number] struct{ of func(V) N }

func (*deviation[V, N]) Init() Deviation { return Deviation{} }
func (d *deviation[V, N]) Add(acc *Deviation, v V, _ int64) {
	x := float64(d.of(v))
	acc.count++
	before := x - acc.mean
	acc.mean += before / float64(acc.count)
	acc.squares += before * (x - acc.mean)
}

func (*deviation[V, N]) Merge(dst *Deviation, src Deviation) {
	if src.count == 0 {
		return
	}
	n, between := dst.count+src.count, src.mean-dst.mean
	dst.mean += between * float64(src.count) / float64(n)
	dst.squares += src.squares + between*between*float64(dst.count)*float64(src.count)/float64(n)
	dst.count = n
}

func (*deviation[V, N]) Result(acc *Deviation) float64 {
	if acc.count == 0 {
		return 0
	}
	return math.Sqrt(acc.squares / float64(acc.count))
}
func (*deviation[V, N]) Codec() codec.Codec[Deviation] { return deviationCodec{} }
func (d *deviation[V, N]) Validate() error             { return checkFunctions(d.of == nil) }

type deviationCodec struct{}

func (deviationCodec) Append(dst []byte, _ *codec.Context, d Deviation) ([]byte, error) {
	return appendFixed(dst, uint64(d.count), math.Float64bits(d.mean), math.Float64bits(d.squares)), nil
}

func (deviationCodec) Decode(_ *codec.Context, data []byte) (Deviation, error) {
	var n [3]uint64
	if err := decodeFixed(data, n[:]); err != nil {
		return Deviation{}, fmt.Errorf("deviation: %w", err)
	}
	return Deviation{int64(n[0]), math.Float64frombits(n[1]), math.Float64frombits(n[2])}, nil
}
