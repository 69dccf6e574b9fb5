package window

import "time"

// Late describes a record that came too late for a window. Key and Value are valid during the call only, and must not be
// changed.
type Late struct {
	// Reason is why the record was not added.
	Reason LateReason
	// Key and Value are the record's, of the types of the stream.
	Key, Value any
	// Millis is the time of the record, in milliseconds since the Unix epoch. See Time.
	Millis int64
	// By is how much later than stream time, less the grace period, the record is; for sessions also less the gap, so that
	// it is the time by which the record misses being accepted. It is the same for all windows of the record. It is 0
	// unless Reason is Closed.
	By time.Duration
	// StartMillis and EndMillis are those that the result of the window has, or would have.
	StartMillis, EndMillis int64
	// Store is the name of the store that keeps the windows.
	Store string
	// Topic, Partition and Offset say where the input record lies.
	Topic     string
	Partition int32
	Offset    int64
}

// Time returns the time of the record.
func (l Late) Time() time.Time { return time.UnixMilli(l.Millis) }

// Start returns the start of the window.
func (l Late) Start() time.Time { return time.UnixMilli(l.StartMillis) }

// End returns the end of the window, as Result.End does.
func (l Late) End() time.Time { return time.UnixMilli(l.EndMillis) }

// LateReason is why a record was not added to a window.
type LateReason uint8

const (
	// Closed means that the window was closed already.
	Closed LateReason = iota
	// BeforeEpoch means that the time of the record is before 1970. No window begins there.
	BeforeEpoch
	// InFuture means that the time of the record is after the year 9999, or too far ahead of the clock: see
	// Definition.MaxFutureSkew.
	InFuture
)

// String returns "closed", "before epoch" or "in future".
func (r LateReason) String() string { return [...]string{"closed", "before epoch", "in future"}[r] }
