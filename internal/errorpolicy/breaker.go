package errorpolicy

import "fmt"

// DefaultMaxShare is the default of weir.DeadLetterOptions.MaxShare.
const DefaultMaxShare = 0.5

const (
	// minRecords is over how many records a share is taken at least: checkpoints of slow topics hold fewer.
	minRecords = 100
	// minLetters is how many letters are needed at a checkpoint, and manyLetters in the middle of one, before the share counts.
	minLetters  = 50
	manyLetters = 1000
)

// Breaker notices when a great share of the records become dead letters: then it is not the records that are wrong. The share is that of
// the records since the last checkpoint, and of some more if these are few.
type Breaker struct {
	// MaxShare is the greatest share, from 0 to 1.
	MaxShare float64
	// records and letters are those since the last checkpoint, and the former ones those before that count too.
	records, letters             int
	formerRecords, formerLetters int
}

// Letter counts a letter, with the number of records that were processed since the last checkpoint, and reports whether the share is too
// great already, in the middle of a checkpoint.
func (b *Breaker) Letter(records int) (open bool) {
	b.letters++
	b.records = max(records, b.records)
	return b.open(manyLetters)
}

// Closes reports whether the share is too great at the end of a checkpoint with so many records.
func (b *Breaker) Closes(records int) (open bool) {
	b.records = max(records, b.records)
	return b.letters > 0 && b.open(minLetters)
}

func (b *Breaker) open(least int) bool {
	letters := b.letters + b.formerLetters
	return letters >= least && float64(letters) > b.MaxShare*float64(max(b.records+b.formerRecords, minRecords))
}

// Checkpoint begins anew after a checkpoint. A few records of it count on.
func (b *Breaker) Checkpoint(records int) {
	if b.Idle() {
		return
	}
	b.formerRecords += max(records, b.records)
	b.formerLetters += b.letters
	b.records, b.letters = 0, 0
	if b.formerRecords >= minRecords {
		b.formerRecords, b.formerLetters = 0, 0
	}
}

// Idle reports whether no letter counts, neither of the records since the last checkpoint nor of those before.
func (b *Breaker) Idle() bool { return b.letters == 0 && b.formerLetters == 0 }

// Rewind forgets the records since the last checkpoint, which are processed again.
func (b *Breaker) Rewind() { b.records, b.letters = 0, 0 }

// String returns letters and records in words.
func (b *Breaker) String() string {
	return fmt.Sprintf("%d of %d", b.letters+b.formerLetters, b.records+b.formerRecords)
}
