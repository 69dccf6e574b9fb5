package source

import "time"

// Status is the state of a slot of a source. Counts begin when the slot came to this member.
type Status struct {
	// Source is the name of the source, and Slot the number of the slot.
	Source string
	Slot   int32
	// Looked is true when the source has named its splits for the first time. Done is true when all of them are read to their ends, and
	// that is committed.
	Looked, Done bool
	// Finished is how many splits are at their ends, since ever. Waiting is how many are to be opened when others are at their ends.
	Finished, Waiting int
	// Records were written to the topic. Bytes is their size in the system, as far as the source tells it.
	Records, Bytes int64
	// PerSecond is the rate of records over the last seconds.
	PerSecond float64
	// Behind is how much is left in the open splits, in records or bytes as the system counts, or -1 if it is not known of one of them.
	Behind int64
	// Failures counts the calls that have failed and were made again, and acknowledgements that have failed.
	Failures int64
	// Splits are the open splits, in the order of opening.
	Splits []SplitStatus
}

// SplitStatus is the state of an open split. Counts begin when it was opened.
type SplitStatus struct {
	ID             string
	Records, Bytes int64
	// Position is the one behind the last record that was written, as the source writes it. It is committed with the next checkpoint.
	Position []byte
	// Behind is how much is left behind Position, in records or bytes as the system counts, or -1 if that is not known.
	Behind int64
	// LastRecord is when records came last, zero if none have.
	LastRecord time.Time
	// Ended is true at the end of the split, until it is committed.
	Ended bool
	// Failing is the error of the last call, while it is to be made again.
	Failing string
}
