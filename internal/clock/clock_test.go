package clock_test

import (
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/clock"
)

var _ clock.Clock = (*clock.Virtual)(nil)

func TestVirtualMovesOnlyWhenTold(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := clock.NewVirtual(noon)
	if got := c.Now(); !got.Equal(noon) {
		t.Fatalf("starts at %v, want %v", got, noon)
	}
	c.Advance(90 * time.Second)
	if got, want := c.Now(), noon.Add(90*time.Second); !got.Equal(want) {
		t.Fatalf("after Advance: %v, want %v", got, want)
	}
	c.Set(noon.Add(-time.Hour))
	if got, want := c.Now(), noon.Add(-time.Hour); !got.Equal(want) {
		t.Fatalf("after Set: %v, want %v", got, want)
	}
}

func TestZeroVirtualStandsAtTheEpoch(t *testing.T) {
	var c clock.Virtual
	if got := c.Now(); got.UnixNano() != 0 {
		t.Fatalf("zero clock is at %v", got)
	}
}

func TestSystemIsTheTimeOfDay(t *testing.T) {
	if since := time.Since(clock.System.Now()); since < 0 || since > time.Minute {
		t.Fatalf("system clock is off by %v", since)
	}
}
