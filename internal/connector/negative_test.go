package connector_test

import (
	"math"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
)

type mode int

type numbers struct {
	Records  int
	Bytes    int64
	Wait     time.Duration
	Rate     float64
	Interval time.Duration
	Mode     mode
	Retry    weir.Retry
	hidden   int
}

func TestNegativeNumbersOfOptionsAreNamed(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]any{
		"": numbers{Records: 1, Rate: 0.5, Interval: -1, Mode: -1, hidden: -1},
		"Records is -1, and must not be negative\nRate is NaN, and must not be negative": &numbers{Records: -1, Rate: math.NaN()},
		"Retry waits -1s, and 0s at most, which must not be negative":                    numbers{Retry: weir.Retry{FirstWait: -time.Second, Attempts: -1}},
		"Bytes is -7, and must not be negative\nWait is -2s, and must not be negative":   numbers{Bytes: -7, Wait: -2 * time.Second},
	} {
		got := ""
		if err := connector.Negative(o, "Interval"); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
