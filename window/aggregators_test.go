package window_test

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/window"
)

// fold adds values, cutting the work into accumulators that are encoded, decoded and merged in order.
func fold[V, A, R any](t *testing.T, a window.Aggregator[V, A, R], values []V, parts int) R {
	t.Helper()
	acc := a.Init()
	m := mergerOf(a)
	for i := range parts {
		part := a.Init()
		for j := i * len(values) / parts; j < (i+1)*len(values)/parts; j++ {
			if o := ordererOf(a); o != nil && m != nil {
				o.AddInOrder(&part, values[j], int64(j), int64(j))
			} else if m == nil {
				a.Add(&acc, values[j], int64(j))
			} else {
				a.Add(&part, values[j], int64(j))
			}
		}
		if m != nil {
			m.Merge(&acc, part)
		}
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

// W-16. Sums, means and deviations of floats that cancel and differ in magnitude are those of arithmetic with big numbers.
func TestFloatAggregatesAreThoseOfBigNumbers(t *testing.T) {
	of := func(f float64) float64 { return f }
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		values := make([]float64, 1+random.IntN(300))
		exact, big2 := new(big.Float).SetPrec(2000), func(f float64) *big.Float { return new(big.Float).SetPrec(2000).SetFloat64(f) }
		var magnitude float64
		for i := range values {
			values[i] = (random.Float64() - 0.5) * math.Pow(10, float64(random.IntN(30)))
			if random.IntN(3) == 0 && i > 0 {
				values[i] = -values[random.IntN(i)]
			}
			exact.Add(exact, big2(values[i]))
			magnitude += math.Abs(values[i])
		}
		mean := new(big.Float).Quo(exact, big2(float64(len(values))))
		squares := new(big.Float).SetPrec(2000)
		for _, v := range values {
			d := new(big.Float).Sub(big2(v), mean)
			squares.Add(squares, d.Mul(d, d))
		}
		deviation := new(big.Float).Sqrt(squares.Quo(squares, big2(float64(len(values)))))
		for _, parts := range []int{1, 7} {
			check := func(what string, got float64, want *big.Float, tolerance float64) {
				t.Helper()
				w, _ := want.Float64()
				if math.Abs(got-w) > tolerance {
					t.Errorf("seed %d, %d parts: %s %g, want %g", seed, parts, what, got, w)
				}
			}
			// Neumaier: one rounding of the result, and n*eps squared of the magnitudes.
			bound := math.Abs(func() float64 { f, _ := exact.Float64(); return f }())*4e-16 + magnitude*1e-28
			check("sum", fold(t, window.Sum(of), values, parts), exact, bound)
			check("mean", fold(t, window.Mean(of), values, parts), mean, bound)
			d, _ := deviation.Float64()
			check("deviation", fold(t, window.StdDev(of), values, parts), deviation, d*1e-10)
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if got := fold(t, window.Sum(of), []float64{1, bad, 2}, 3); got != bad && got == got {
			t.Errorf("sum with %v is %v", bad, got)
		}
	}
}

func TestMergedAccumulatorsAreThoseOfAllValues(t *testing.T) {
	of := func(n int) int { return n }
	values := []int{5, 3, 9, 3, 3, 7, 1, 9}
	for parts := 1; parts <= len(values); parts++ {
		check := func(what string, got, want any) {
			t.Helper()
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("%s in %d parts (-want +got):\n%s", what, parts, diff)
			}
		}
		check("count", fold(t, window.Count[int](), values, parts), int64(8))
		check("sum", fold(t, window.Sum(of), values, parts), 40)
		check("min", fold(t, window.Min(of), values, parts), 1)
		check("max", fold(t, window.Max(of), values, parts), 9)
		check("first", fold(t, window.First(of), values, parts), 5)
		check("last", fold(t, window.Last(of), values, parts), 9)
		check("earliest", fold(t, window.Earliest(of), values, parts), 5)
		check("latest", fold(t, window.Latest(of), values, parts), 9)
		check("distinct", fold(t, window.CountDistinct(of), values, parts), int64(5))
		check("top", fold(t, window.TopN(3, of, cmp.Compare[int]), values, parts), []int{9, 9, 7})
		text := func(a string, n int) string { return a + strconv.Itoa(n) }
		check("reduce", fold(t, window.Reduce(strconv.Itoa, text), values, parts), "53933719")
		check("reduce with merge", fold(t, window.ReduceMerging(strconv.Itoa, text, func(a, b string) string { return a + b }), values, parts), "53933719")
		check("combined", fold(t, window.Combine4(window.Count[int](), window.Min(of), window.Max(of), window.Sum(of),
			func(n int64, low, high, sum int) string { return fmt.Sprint(n, low, high, sum) }), values, parts), "8 1 9 40")
	}
}

func TestAbilitiesOfCombinedAggregatorsAreThoseOfTheirParts(t *testing.T) {
	of := func(n int) int { return n }
	merging := window.Combine2(window.Count[int](), window.Sum(of), func(n int64, s int) int { return s })
	if mergerOf(merging) == nil || collectorOf(merging) != nil {
		t.Error("count and sum: want merging, not collecting")
	}
	reduced := window.Combine2(window.Count[int](), window.Reduce(of, func(a, b int) int { return a + b }), func(n int64, s int) int { return s })
	if mergerOf(reduced) != nil || ordererOf(reduced) != nil {
		t.Error("count and reduce: want no merging, no order")
	}
	first := window.Combine2(window.Count[int](), window.First(of), func(n int64, s int) int { return s })
	if mergerOf(first) == nil || ordererOf(first) == nil || ordererOf(merging) != nil {
		t.Error("count and first: want merging in order; count and sum: want merging")
	}
	list := window.Combine2(window.Count[int](), window.Collect[int](), func(n int64, s []int) int { return len(s) })
	if mergerOf(list) == nil || collectorOf(list) == nil {
		t.Error("count and collect: want both")
	}
}
