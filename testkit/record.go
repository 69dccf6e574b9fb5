package testkit

import (
	"time"

	"github.com/weirstreams/weir/stream"
)

// Record is a record of a topic, as a test writes and reads it.
type Record[K, V any] struct {
	Key   K
	Value V
	// Time is the event time. The location does not matter; it is cut to milliseconds.
	Time    time.Time
	Headers []stream.Header
	// KeyNull and ValueNull make, or say that, the key or value is null.
	KeyNull, ValueNull bool
}
