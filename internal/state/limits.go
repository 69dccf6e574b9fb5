package state

import "cmp"

// Limits bound how much a store reads or writes at a time. The engine's configuration has them, so that simulated worlds can make
// them small: there, every store crosses them. 0 means the default, which is right for production.
type Limits struct {
	// SweepRows is how many expired states a flush removes at most; the rest goes with later flushes. 0 means 100,000.
	SweepRows int
	// DueTimers is how many entries of the index of timers are read at a time, and all those of one time. 0 means 1,000.
	DueTimers int
	// TailValues is how many values of a key a Timestamped keeps in memory between checkpoints, unless
	// TimestampedOptions.Tail says how many. 0 means 64.
	TailValues int
}

func (l Limits) sweepRows() int  { return cmp.Or(l.SweepRows, 100_000) }
func (l Limits) dueTimers() int  { return cmp.Or(l.DueTimers, 1000) }
func (l Limits) tailValues() int { return cmp.Or(l.TailValues, 64) }
