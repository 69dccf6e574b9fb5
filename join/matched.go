package join

import "time"

// Matched is the right record that a left record of an as-of join is matched with, as the ...Record forms of JoinAsOf see it.
type Matched[R any] struct {
	Value R
	// Millis is its event time, in milliseconds since the Unix epoch. See Time.
	Millis int64
}

// Time returns the event time.
func (m Matched[R]) Time() time.Time { return time.UnixMilli(m.Millis) }
