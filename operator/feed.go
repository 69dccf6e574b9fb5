package operator

import "time"

// Feed brings records into a task from a system outside of Kafka. The engine runs it between the records of topics. All methods but
// Report are called by the goroutine of the worker.
type Feed interface {
	// Node is the number of the node.
	Node() int
	// Next returns the time in milliseconds at which Take has something to do: one that is past if it has now, and math.MaxInt64 if
	// it has after Env.Wake at the earliest. It is cheap.
	Next() int64
	// Take hands records on, in whole batches, until limit is reached or nothing is left. An error is that of a record, which Skip
	// passes over; Take goes on behind it then. It is called when the state is complete, and never in a checkpoint.
	Take(limit int) error
	// Skip passes over the record that Take has failed with.
	Skip()
	// Taken returns how many records were handed on since the last call, and whether Take has done anything.
	Taken() (records int, moved bool)
	// Err returns why the source cannot be read, or nil.
	Err() error
	// Settled reports whether the source was asked for its splits, and all records that were read are handed on.
	Settled() bool
	// Full reports whether a checkpoint would set resources free.
	Full() bool
	// Committed says that the positions of the last checkpoint count.
	Committed()
	// Stop tells the readers to end, and does not wait for them. Env.OnClose does.
	Stop()
	// Report returns the state of the source in this task. Any goroutine may call it.
	Report() FeedReport
}

// FeedReport is the state of a source in one task.
type FeedReport struct {
	// Source is the name of the source, and Slot the partition of the task.
	Source string
	Slot   int32
	// Looked says that the source has named its splits, and Done that all of them are at their ends, and committed.
	Looked, Done bool
	// Finished is how many splits were read to their ends, and Waiting how many are not open yet.
	Finished, Waiting int
	// Records and Bytes were handed on since the task was opened.
	Records, Bytes int64
	// PerSecond is the rate of records in the last seconds.
	PerSecond float64
	// Failures counts calls that have failed and were made again, and acknowledgements that have failed.
	Failures int64
	// Splits are the open splits, in the order of opening.
	Splits []SplitReport
}

// SplitReport is the state of an open split.
type SplitReport struct {
	ID string
	// Records and Bytes were handed on since it was opened.
	Records, Bytes int64
	// Position is the one behind the last record.
	Position []byte
	// Behind is how much is left, in records or bytes, or -1 if that is not known.
	Behind int64
	// At is when the last records came, zero if none have.
	At time.Time
	// Ended says that the split is at its end, and not committed yet.
	Ended bool
	// Failing is the error of the last call if it is to be made again.
	Failing string
}
