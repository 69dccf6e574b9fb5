// Package schedule says when the next checkpoint of a worker is due, and how many records a step takes.
package schedule

import (
	"time"

	"github.com/weirstreams/weir/internal/clock"
)

const (
	// firstPace is how many records a step takes until it is known how long they take, maxPace how many at most.
	firstPace = 16
	maxPace   = 1000
	// stepTime is how long a step should take at most. One record is the least, however slow a function is.
	stepTime = 50 * time.Millisecond
)

// Schedule counts the records of a worker since its last checkpoint. The worker tells it of records, checkpoints and rewinds. It makes no
// checkpoint by itself. Only the goroutine of the worker calls its methods.
type Schedule struct {
	clock    clock.Clock
	interval time.Duration
	records  int // the greatest number between checkpoints; 0 means any number
	// ended is when the last checkpoint ended, made or not, or when there was nothing to check in. taken are the records since then.
	ended time.Time
	taken int
	// uncommitted are the records that were processed since the last checkpoint that was made.
	uncommitted int
	// since is when the first of them was processed.
	since time.Time
	// pace is how many records are processed in one step.
	pace int
}

// New returns a schedule of checkpoints: one each interval, and after a number of records; 0 means any number.
func New(clock clock.Clock, interval time.Duration, records int) *Schedule {
	return &Schedule{clock: clock, interval: interval, records: records, ended: clock.Now(), pace: firstPace}
}

// Took notes records that a step has taken.
func (s *Schedule) Took(records int) { s.taken += records }

// Taken returns the records that steps have taken since the last checkpoint, made or not.
func (s *Schedule) Taken() int { return s.taken }

// Processed notes records that the next checkpoint covers.
func (s *Schedule) Processed(records int) {
	if s.uncommitted == 0 && records > 0 {
		s.since = s.clock.Now()
	}
	s.uncommitted += records
}

// UncommittedSince returns when the first record was processed that no checkpoint covers, and zero if there is none.
func (s *Schedule) UncommittedSince() time.Time {
	if s.uncommitted == 0 {
		return time.Time{}
	}
	return s.since
}

// Uncommitted returns the records that were processed since the last checkpoint that was made.
func (s *Schedule) Uncommitted() int { return s.uncommitted }

// Ended notes the end of a checkpoint, made or not.
func (s *Schedule) Ended() { s.taken, s.ended = 0, s.clock.Now() }

// Made notes a checkpoint that was made, or that there was nothing to check in.
func (s *Schedule) Made() { s.uncommitted = 0 }

// MadeOf notes a checkpoint of the first of the records that were processed since the one before: of all those before a time.
func (s *Schedule) MadeOf(records int, before time.Time) {
	s.uncommitted -= records
	s.since = before
}

// Rewound notes that the worker went back to its last checkpoint.
func (s *Schedule) Rewound() { s.taken, s.uncommitted = 0, 0 }

// Left returns the time until the next checkpoint is due.
func (s *Schedule) Left() time.Duration { return s.ended.Add(s.interval).Sub(s.clock.Now()) }

// IntervalOver reports whether the time of a checkpoint has come.
func (s *Schedule) IntervalOver() bool { return s.clock.Now().Sub(s.ended) >= s.interval }

// RecordsOver reports whether as many records were taken as may lie between checkpoints. limit is a number for the next checkpoint; 0
// means none.
func (s *Schedule) RecordsOver(limit int) bool {
	n := s.most(limit)
	return n > 0 && s.taken >= n
}

// most returns the greatest number of records between checkpoints; 0 means any number.
func (s *Schedule) most(limit int) int {
	if s.records == 0 || limit == 0 {
		return max(s.records, limit)
	}
	return min(s.records, limit)
}

// Room returns how many records may be processed before the next look at other work. limit is that of RecordsOver.
func (s *Schedule) Room(limit int) int {
	if n := s.most(limit); n > 0 {
		return min(s.pace, max(1, n-s.taken))
	}
	return s.pace
}

// Adjust keeps steps short where functions are slow, and large where they are not.
func (s *Schedule) Adjust(records int, took time.Duration) {
	switch {
	case took > stepTime:
		s.pace = max(1, s.pace/2)
	case records == s.pace && took < stepTime/4:
		s.pace = min(maxPace, 2*s.pace)
	}
}
