package window_test

import (
	"cmp"
	"math"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/window"
)

// Accumulators go through their codec between the parts: an empty text is a value, and not a window without values.
func TestExtremesOfAnyOrderedType(t *testing.T) {
	text := func(s string) string { return s }
	at := func(n int) time.Time { return time.UnixMilli(int64(n)).UTC() }
	byLength := func(a, b string) int { return cmp.Compare(len(a), len(b)) }
	float := func(f float64) float64 { return f }
	for parts := 1; parts <= 4; parts++ {
		check := func(name string, got, want any) {
			t.Helper()
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("%s in %d parts (-want +got):\n%s", name, parts, diff)
			}
		}
		check("least text", fold(t, window.Min(text), []string{"b", "", "a", "c"}, parts), "")
		check("least text, empty first", fold(t, window.Min(text), []string{"", "b", "a", "c"}, parts), "")
		check("greatest text", fold(t, window.Max(text), []string{"", "b", "", "a"}, parts), "b")
		check("longest, the first of two", fold(t, window.MaxFunc(text, byLength), []string{"a", "bcd", "", "efg"}, parts), "bcd")
		check("shortest, the first of two", fold(t, window.MinFunc(text, byLength), []string{"ab", "c", "d", "efg"}, parts), "c")
		check("earliest time", fold(t, window.MinFunc(at, time.Time.Compare), []int{5, 3, 9, 4}, parts), time.UnixMilli(3).UTC())
		check("latest time", fold(t, window.MaxFunc(at, time.Time.Compare), []int{5, 3, 9, 4}, parts), time.UnixMilli(9).UTC())
		for position := range 4 {
			values := []float64{3, 1, 2, 4}
			values[position] = math.NaN()
			if least, greatest := fold(t, window.Min(float), values, parts), fold(t, window.Max(float), values, parts); least == least || greatest == greatest {
				t.Errorf("of %v in %d parts: %v and %v, want NaN", values, parts, least, greatest)
			}
		}
	}
	if err := validate(window.MinFunc(text, nil)); err == nil {
		t.Error("no error for a missing comparison")
	}
}

func validate(a any) error { return a.(interface{ Validate() error }).Validate() }

func TestOptionalTellsAWindowWithoutValuesFromZero(t *testing.T) {
	of := func(n int) int { return n }
	odd := func(n int) bool { return n%2 == 1 }
	if got := fold(t, window.Optional(window.Mean(of)), nil, 1); got != nil {
		t.Errorf("the mean of nothing is %v, want nil", *got)
	}
	for parts := 1; parts <= 3; parts++ {
		if got := fold(t, window.Optional(window.Mean(of)), []int{-1, 0, 1}, parts); got == nil || *got != 0 {
			t.Errorf("the mean of -1, 0 and 1 is %v, want 0", got)
		}
		if got := fold(t, window.Optional(window.Last(of)), []int{1, 2, 0}, parts); got == nil || *got != 0 {
			t.Errorf("the last of 1, 2 and 0 is %v, want 0", got)
		}
		if got := fold(t, window.Optional(window.Where(odd, window.Min(of))), []int{2, 4, 6}, parts); got != nil {
			t.Errorf("the least odd number of 2, 4 and 6 is %v, want nil", *got)
		}
		if got := fold(t, window.Where(odd, window.Optional(window.Min(of))), []int{2, 4, 6}, parts); got != nil {
			t.Errorf("the least odd number of 2, 4 and 6 is %v, want nil", *got)
		}
		if got := fold(t, window.Optional(window.Where(odd, window.Where(func(n int) bool { return n > 4 }, window.Min(of)))), []int{1, 5, 6}, parts); got == nil || *got != 5 {
			t.Errorf("the least odd number above 4 of 1, 5 and 6 is %v, want 5", got)
		}
	}
	if a := window.Optional(window.Sum(of)); mergerOf(a) == nil || collectorOf(a) != nil || ordererOf(a) != nil {
		t.Error("sum: want merging alone")
	}
	if a := window.Optional(window.Collect[int]()); collectorOf(a) == nil {
		t.Error("collect: want collecting")
	}
	if a := window.Optional(window.Reduce(of, func(a, n int) int { return a + n })); mergerOf(a) != nil {
		t.Error("reduce: want no merging")
	}
	if err := validate(window.Optional[int, int64, int64](nil)); err == nil || !strings.Contains(err.Error(), "Optional") {
		t.Errorf("a missing aggregator: error %v", err)
	}
	if err := validate(window.Optional(window.Mean[int, int](nil))); err == nil {
		t.Error("no error for a missing function")
	}
	if _, err := window.Optional(window.Mean(of)).Codec().Decode(&codec.Context{Part: codec.State}, nil); err == nil {
		t.Error("no error for an accumulator of no bytes")
	}
}
