package backoff_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/backoff"
	"github.com/weirstreams/weir/internal/clock"
)

func TestWaitsDoubleFromTheBaseToTheMaximum(t *testing.T) {
	p := backoff.Policy{Base: 50 * time.Millisecond, Max: time.Second}
	var got []time.Duration
	for failures := 1; failures <= 7; failures++ {
		got = append(got, p.Wait(failures))
	}
	const ms = time.Millisecond
	if diff := cmp.Diff([]time.Duration{50 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, time.Second, time.Second}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWaitsStayWithinTheirBounds(t *testing.T) {
	for name, tc := range map[string]struct {
		policy   backoff.Policy
		failures int
		want     time.Duration
	}{
		"no failure":             {backoff.Policy{Base: 3, Max: 10}, 0, 3},
		"a negative number":      {backoff.Policy{Base: 3, Max: 10}, math.MinInt, 3},
		"very many failures":     {backoff.Policy{Base: 3, Max: 10}, math.MaxInt, 10},
		"a maximum of all times": {backoff.Policy{Base: 3, Max: math.MaxInt64}, 64, math.MaxInt64},
		"the last that fits":     {backoff.Policy{Base: 1, Max: math.MaxInt64}, 63, 1 << 62},
		"the first that does not": {
			backoff.Policy{Base: 1, Max: math.MaxInt64}, 64, math.MaxInt64,
		},
		"a maximum below the base": {backoff.Policy{Base: 3, Max: 1}, 5, 3},
		"no base":                  {backoff.Policy{}, 5, 0},
		"a negative base":          {backoff.Policy{Base: -5, Max: -2}, 5, 0},
	} {
		if got := tc.policy.Wait(tc.failures); got != tc.want {
			t.Errorf("%s: got %d, want %d", name, got, tc.want)
		}
	}
}

func TestWaitsForAsLongAgainStayWithinTheirBounds(t *testing.T) {
	p := backoff.Policy{Base: 2, Max: 10}
	for lasted, want := range map[time.Duration]time.Duration{-1: 2, 0: 2, 2: 2, 7: 7, 11: 10, math.MaxInt64: 10} {
		if got := p.Again(lasted); got != want {
			t.Errorf("after %d: got %d, want %d", lasted, got, want)
		}
	}
	p.Jitter, p.Random = 0.5, func() float64 { return 0.5 }
	if got := p.Again(8); got != 6 {
		t.Errorf("with jitter: got %d, want 6", got)
	}
}

func TestJitterTakesItsShareOfTheWait(t *testing.T) {
	for _, tc := range []struct {
		jitter, random float64
		want           time.Duration
	}{
		{0.25, 0, 1000}, {0.25, 0.5, 875}, {1, 0.5, 500}, {1, 0, 1000}, {7, 0.999, 1}, {-1, 0.5, 1000},
	} {
		p := backoff.Policy{Base: 1000, Max: 1000, Jitter: tc.jitter, Random: func() float64 { return tc.random }}
		if got := p.Wait(1); got != tc.want {
			t.Errorf("jitter %v at %v: got %d, want %d", tc.jitter, tc.random, got, tc.want)
		}
	}
	p := backoff.Policy{Base: time.Hour, Max: time.Hour, Jitter: 0.5}
	seen := map[time.Duration]bool{}
	for range 100 {
		wait := p.Wait(1)
		if wait < time.Hour/2 || wait > time.Hour {
			t.Fatalf("got %v, want half an hour to an hour", wait)
		}
		seen[wait] = true
	}
	if len(seen) < 50 {
		t.Errorf("100 waits had %d different lengths", len(seen))
	}
}

func TestTheNextTryIsOnTheClock(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := clock.NewVirtual(noon)
	p := backoff.Policy{Base: time.Second, Max: time.Minute}
	if got, want := p.At(c, 3), noon.Add(4*time.Second); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestASleepEndsWithItsTimeOrItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		p := backoff.Policy{Base: time.Second, Max: time.Minute}
		if err := p.Sleep(t.Context(), 2); err != nil || time.Since(begun) != 2*time.Second {
			t.Errorf("got %v after %v, want nothing after 2 s", err, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begun = time.Now()
		if err := p.Sleep(ctx, 5); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 3*time.Second {
			t.Errorf("got %v after %v, want the end of the context after 3 s", err, time.Since(begun))
		}
	})
}
