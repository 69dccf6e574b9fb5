package window

import (
	"fmt"
	"time"
)

// Suppression says how long changing results are held back, so that of many results of one window only the last is
// emitted. Held-back results are emitted before each checkpoint at the latest.
type Suppression struct {
	// Interval is how long a result is held back at most, in event time.
	Interval time.Duration
	// MaxResults is how many results are held back at most, in each task. 0 means 10,000.
	MaxResults int
	// WhenFull chooses the action when there are more. The default is to emit the oldest.
	WhenFull WhenFull
}

// WhenFull is the action when more results would be held back than allowed.
type WhenFull uint8

const (
	// FullEmits emits the result that was held back longest.
	FullEmits WhenFull = iota
	// FullFails ends the run with an error.
	FullFails
)

// Validate returns all mistakes of the suppression, joined.
func (s Suppression) Validate() error {
	switch {
	case s.MaxResults < 0:
		return fmt.Errorf("suppress: MaxResults %d: must not be negative", s.MaxResults)
	case s.WhenFull > FullFails:
		return fmt.Errorf("suppress: WhenFull: unknown value %d", s.WhenFull)
	}
	return checkDuration("suppression interval", s.Interval, true)
}
