package sketch_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/window"
	"github.com/weirstreams/weir/window/sketch"
)

// fold adds values, cutting the work into accumulators that are encoded, decoded and merged in order.
func fold[V, A, R any](t *testing.T, a window.Aggregator[V, A, R], values []V, parts int) R {
	t.Helper()
	acc := a.Init()
	for i := range parts {
		part := a.Init()
		for j := i * len(values) / parts; j < (i+1)*len(values)/parts; j++ {
			a.Add(&part, values[j], int64(j))
		}
		a.(window.Merger[A]).Merge(&acc, part)
		data, err := a.Codec().Append(nil, &codec.Context{Part: codec.State}, acc)
		if err != nil {
			t.Fatal(err)
		}
		if acc, err = a.Codec().Decode(&codec.Context{Part: codec.State}, data); err != nil {
			t.Fatal(err)
		}
	}
	return a.Result(&acc)
}

func TestSketchesAreWithinTheirErrors(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 100, 5000, 50_000} {
		values, seen := make([]int, n), map[int]bool{}
		for i := range values {
			values[i] = 1 + random.IntN(n)
			seen[values[i]] = true
		}
		for _, parts := range []int{1, 5} {
			distinct := fold(t, sketch.CountDistinct(func(n int) []byte { return []byte(strconv.Itoa(n)) }), values, parts)
			if off := math.Abs(float64(distinct)-float64(len(seen))) / float64(len(seen)); off > 0.04 { // 5 standard errors
				t.Errorf("%d distinct of %d, want %d", distinct, n, len(seen))
			}
			got := fold(t, sketch.Quantile(0.9, func(n int) int { return n }), values, parts)
			sorted := slices.Sorted(slices.Values(values))
			want := float64(sorted[int(0.9*float64(n-1))])
			if math.Abs(got-want) > want*0.0101 {
				t.Errorf("quantile of %d is %v, want %v", n, got, want)
			}
		}
	}
}
