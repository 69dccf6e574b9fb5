package state

import (
	"time"
)

// horizon tells times that are too far ahead of the clock.
type horizon struct {
	skew  int64            // milliseconds; 0 means any
	now   func() time.Time // nil means no clock
	until int64            // times up to here are known not to be too far ahead
}

// beyond reports whether a time is too far ahead. It looks at the clock seldom: a time that was not too far ahead once never is.
func (h *horizon) beyond(millis int64) bool {
	if millis <= h.until || h.skew <= 0 || h.now == nil {
		return false
	}
	h.until = max(h.until, h.now().UnixMilli()+h.skew)
	return millis > h.until
}

// beginning is before the time of any record, and after NoTime.
const beginning = NoTime + 1

// begin returns the first time of a store, from its first record that needs one. Later records
// move it.
func (h *horizon) begin(millis int64) int64 {
	if h.beyond(millis) {
		return beginning
	}
	return min(millis, maxMillis)
}

// base returns the time from which a record's state lives: its own or, if that is too far ahead, the time that was reached.
func (h *horizon) base(millis, reached int64) int64 {
	switch {
	case !h.beyond(millis):
		return millis
	case reached > beginning:
		return reached
	default:
		return h.now().UnixMilli()
	}
}
