package window_test

import (
	"testing"
	"time"

	"github.com/weirstreams/weir/window"
)

func TestTimesOfALateRecordAreThoseOfItsFields(t *testing.T) {
	l := window.Late{Millis: 7_000, StartMillis: 1_000, EndMillis: 2_500}
	for want, got := range map[time.Time]time.Time{time.UnixMilli(7_000): l.Time(), time.UnixMilli(1_000): l.Start(), time.UnixMilli(2_500): l.End()} {
		if got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}
