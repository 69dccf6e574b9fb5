// Package joining has the settings of joins and lookups in the form that operators compute with. Package join makes them.
package joining

import "time"

// Direction says on which side of a record's time its match lies.
type Direction uint8

// The directions.
const (
	// Backward takes the latest right record that is not later.
	Backward Direction = iota
	// Forward takes the earliest right record that is not earlier.
	Forward
	// Nearest takes the one of the two that is nearer, and the earlier one of two that are equally near.
	Nearest
)

// Wait says how records wait, by the clock of the machine, for the other side of a join. O is join.Overflow.
type Wait[O any] struct {
	// Store has the records that wait, and Times the least time of those of each key.
	Store, Times string
	// Millis is how long they wait, in milliseconds.
	Millis int64
	// Max is how many records of one key may wait, and Overflow the action for more.
	Max      int
	Overflow O
}

// AsOf are the settings of an as-of join. Times are in milliseconds.
type AsOf[O any] struct {
	// Grace is how long a right record is kept after the latest one of its key, and Tolerance how far a match may be.
	Grace, Tolerance int64
	Direction        Direction
	// Duplicates says that right records of one time are kept beside each other.
	Duplicates bool
	// Waiting is the store of left records that wait by event time, or empty.
	Waiting string
	// Wait is for left records that wait by the clock, or nil.
	Wait *Wait[O]
	// Left and Right are the codecs that were set for values, or nil.
	Left, Right any
}

// Interval are the settings of an interval join. Times are in milliseconds.
type Interval struct {
	// Before and After are how much earlier and later than a left record its matches are.
	Before, After int64
	// Grace is how late records may come.
	Grace int64
	// Final says that records without a match wait until none can come.
	Final bool
	// LeftStore and RightStore are the names of the stores.
	LeftStore, RightStore string
	// Left and Right are the codecs that were set for values, or nil.
	Left, Right any
}

// Lookup are the settings of a lookup, with the defaults filled in. R is the type of rows, and O join.Overflow.
type Lookup[R, O any] struct {
	// Timeout, Tries and MaxOutage are those of join.Limits.
	Timeout   time.Duration
	Tries     int
	MaxOutage time.Duration
	// Changes returns a number that differs after each change of rows, or is nil if the lookup cannot tell.
	Changes func() int64
	// Wait is for records without a row that wait by the clock, or nil.
	Wait *Wait[O]
	// Invalid are the mistakes of Wait, joined.
	Invalid error
	// Value is the codec that was set for the values of records that wait, or nil.
	Value any
	// Resolved reports whether a row is complete, or is nil if each is.
	Resolved func(*R) bool
}
