package source

import "time"

// Status is the state of a slot of a source. It is part of runtime.Status, also as JSON. Counts begin when the slot came to this member.
type Status struct {
	// Source is the name of the source, and Slot the number of the slot.
	Source string `json:"source"`
	Slot   int32  `json:"slot"`
	// Looked is true when the source has named its splits for the first time. Done is true when all of them are read to their ends, and
	// that is committed.
	Looked bool `json:"looked"`
	Done   bool `json:"done"`
	// Finished is how many splits are at their ends, since ever. Waiting is how many are to be opened when others are at their ends.
	Finished int `json:"finished"`
	Waiting  int `json:"waiting"`
	// Records were written to the topic. Bytes is their size in the system, as far as the source tells it.
	Records int64 `json:"records"`
	Bytes   int64 `json:"bytes"`
	// PerSecond is the rate of records over the last seconds.
	PerSecond float64 `json:"per_second"`
	// Behind is how much is left in the open splits, in records or bytes as the system counts, or -1 if it is not known of one of them.
	Behind int64 `json:"behind"`
	// Failures counts the calls that have failed and were made again, and acknowledgements that have failed.
	Failures int64 `json:"failures"`
	// Splits are the open splits, in the order of opening.
	Splits []SplitStatus `json:"splits,omitempty"`
}

// SplitStatus is the state of an open split. Counts begin when it was opened.
type SplitStatus struct {
	ID      string `json:"id"`
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"`
	// Position is the one behind the last record that was written, as the source writes it. It is committed with the next checkpoint.
	Position []byte `json:"position,omitempty"`
	// Behind is how much is left behind Position, in records or bytes as the system counts, or -1 if that is not known.
	Behind int64 `json:"behind"`
	// LastRecord is when records came last, zero if none have.
	LastRecord time.Time `json:"last_record,omitzero"`
	// Ended is true at the end of the split, until it is committed.
	Ended bool `json:"ended"`
	// Failing is the error of the last call, while it is to be made again.
	Failing string `json:"failing,omitempty"`
}
