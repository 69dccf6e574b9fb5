package testkit

import (
	"time"

	"github.com/weirstreams/weir"
)

// Record is a record of a topic, as a test writes and reads it.
type Record[K, V any] struct {
	Key   K
	Value V
	// Time is the event time. The location does not matter; it is cut to milliseconds. The zero time stands for the Unix
	// epoch.
	Time    time.Time
	Headers []weir.Header
	// KeyNull and ValueNull make, or say that, the key or value is null.
	KeyNull, ValueNull bool
}

// millis returns a time of a test as Kafka has it.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
