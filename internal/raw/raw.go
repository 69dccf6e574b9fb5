// Package raw has the records of Kafka as bytes. Operators read them from the input and write them to the output.
package raw

import "github.com/weirstreams/weir"

// Record is one Kafka record as it lies in a batch. A nil Key or Value is null; an empty, non-nil one is empty.
type Record struct {
	Key, Value []byte
	Headers    []weir.Header
	// Millis is the timestamp in milliseconds since the Unix epoch.
	Millis int64
	// Offset is set by the broker. It is ignored when the record is sent.
	Offset int64
	// LeaderEpoch is the epoch of the leader that took the record, or -1 in message formats that do not say it. It is ignored
	// when the record is sent.
	LeaderEpoch int32
}
