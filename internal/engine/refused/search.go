// Package refused seeks the input record that has made a record, or a state, that the cluster refuses.
package refused

import (
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/offsets"
)

// Search is the search for the input record of the output or state that the cluster refuses. A refusal tells the topic
// of a whole batch, and comes when many more input records were processed. So the worker goes back to its last checkpoint and makes
// the next one after half as many records, again and again, until one record is left: the error is that of this record, and the
// policy decides about it. A record that is skipped is left out when the work is done again. After each checkpoint that succeeds
// the next may have twice as many records.
//
// The worker tells it of each record and of each checkpoint, and goes back by itself. Only the goroutine of the worker calls its methods.
type Search struct {
	// limit is the number of records of the next checkpoint; 0 while nothing is sought. usual is the number that was refused
	// first: the search ends when as many are taken.
	limit, usual int
	// last is the input record that was processed last since the last checkpoint.
	last offsets.Place
	// skips are the records that the policy skips, until their offsets are committed.
	skips map[offsets.Place]bool
}

// Limit returns the greatest number of records of the next checkpoint; 0 while nothing is sought.
func (s *Search) Limit() int { return s.limit }

// Single reports whether records are processed one by one, so that each has a checkpoint of its own.
func (s *Search) Single() bool { return s.limit == 1 }

// Processed notes the input record that was processed last.
func (s *Search) Processed(tp broker.TopicPartition, offset int64) {
	s.last = offsets.Place{TopicPartition: tp, Offset: offset}
}

// Last returns the input record that was processed last.
func (s *Search) Last() offsets.Place { return s.last }

// Accepted notes a checkpoint of records.
func (s *Search) Accepted() {
	if s.limit > 0 {
		if s.limit *= 2; s.limit >= s.usual {
			s.limit, s.usual = 0, 0
		}
	}
}

// Halve makes the next checkpoint one of half as many records as the refused one had: more than one.
func (s *Search) Halve(refused int) {
	s.usual = max(s.usual, refused)
	s.limit = refused / 2
}

// SkipLast leaves out the record that was processed last, and goes on with the records one by one.
func (s *Search) SkipLast() {
	if s.skips == nil {
		s.skips = map[offsets.Place]bool{}
	}
	s.skips[s.last] = true
	s.limit, s.usual = 1, max(s.usual, 1)
}

// Skipping reports whether any record is left out.
func (s *Search) Skipping() bool { return len(s.skips) > 0 }

// SkipsLast reports whether the record that was processed last was left out.
func (s *Search) SkipsLast() bool { return s.skips[s.last] }

// Next returns how many of the records of a partition come before one that is left out, or true if the first is left out.
func (s *Search) Next(tp broker.TopicPartition, records []broker.Record) (before int, skip bool) {
	for i := range records {
		if s.skips[offsets.Place{TopicPartition: tp, Offset: records[i].Offset}] {
			return i, i == 0
		}
	}
	return len(records), false
}

// Forget forgets records to leave out that are committed, as the function says.
func (s *Search) Forget(committed func(offsets.Place) bool) {
	for at := range s.skips {
		if committed(at) {
			delete(s.skips, at)
		}
	}
}
