package window_test

import (
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/window"
)

func TestDefinitionIsNotChangedByItsMethods(t *testing.T) {
	plain := window.Tumbling(90 * time.Second)
	changed := plain.Grace(5 * time.Second).Name("n")
	if plain.Settings().Grace != 0 || plain.StoreName() != "tumbling_window_90000" || plain.String() != "tumbling 1m30s" {
		t.Errorf("the definition became %v, store %q", plain, plain.StoreName())
	}
	if changed.Settings().Grace != 5000 || changed.StoreName() != "n_tumbling_window_90000" || changed.String() != "tumbling 1m30s grace 5s" {
		t.Errorf("the copy is %v, store %q", changed, changed.StoreName())
	}
}

func TestResultKnowsItsTimes(t *testing.T) {
	r := window.Result[int]{StartMillis: 1000, EndMillis: 2000, Value: 7}
	if !r.Start().Equal(time.Unix(1, 0)) || !r.End().Equal(time.Unix(2, 0)) {
		t.Errorf("from %v to %v", r.Start(), r.End())
	}
	data, err := codec.JSON[window.Result[int]]().Append(nil, &codec.Context{}, r)
	if want := `{"start":1000,"end":2000,"value":7}`; err != nil || string(data) != want {
		t.Errorf("JSON %s, %v; want %s", data, err, want)
	}
}

func TestAccumulatorsComeBackFromTheirCodecs(t *testing.T) {
	of := func(n int) float64 { return float64(n) + 0.5 }
	roundTrip(t, window.Count[int](), -3, 4)
	roundTrip(t, window.Sum(of), -3, 4)
	roundTrip(t, window.Min(of), -3, 4)
	roundTrip(t, window.Max(of), -4, -3)
	roundTrip(t, window.Mean(of), -3, 4)
	for _, data := range []string{"", "0123456789abcde", "0123456789abcdefg"} {
		if _, err := window.Mean(of).Codec().Decode(&codec.Context{}, []byte(data)); err == nil {
			t.Errorf("mean: %d bytes decode", len(data))
		}
	}
}

// roundTrip adds two values, with the accumulator encoded and decoded in between, and compares with adding them at once.
func roundTrip[A any, R comparable](t *testing.T, a window.Aggregator[int, A, R], first, second int) {
	t.Helper()
	straight := a.Init()
	a.Add(&straight, first, 0)
	data, err := a.Codec().Append(nil, &codec.Context{}, straight)
	if err != nil {
		t.Fatal(err)
	}
	restored, err := a.Codec().Decode(&codec.Context{}, data)
	if err != nil {
		t.Fatal(err)
	}
	a.Add(&straight, second, 0)
	a.Add(&restored, second, 0)
	if want, got := a.Result(&straight), a.Result(&restored); got != want {
		t.Errorf("%T: result %v, want %v", a, got, want)
	}
}
