package sourcing

import (
	"fmt"
	"reflect"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/operator"
)

// pick takes the next batch of any split, in turn, if the rate allows it.
func (s *Slot[K, V]) pick() bool {
	if s.options.RecordsPerSecond > 0 && s.task.Now().Before(s.owed) {
		s.news.Store(true)
		return false
	}
	for range s.open {
		if s.turn >= len(s.open) {
			s.turn = 0
		}
		r := s.open[s.turn]
		s.turn++
		if f, ok, more := r.pop(); ok {
			if more {
				s.news.Store(true)
			}
			s.current, s.of, s.at = f, r, 0
			return true
		}
	}
	s.keepUp(0)
	return false
}

// maxLateness bounds the lateness that a source makes up for by a higher rate, after its records have waited for the worker.
const maxLateness = time.Second

// keepUp moves the time from which the next records are paid for, if it lies further back than lateness. The time in which there was no record
// does not count.
func (s *Slot[K, V]) keepUp(lateness time.Duration) {
	if earliest := s.task.Now().Add(-lateness); s.owed.Before(earliest) {
		s.owed = earliest
	}
}

// handOn hands on the rest of the current batch.
func (s *Slot[K, V]) handOn() error {
	records := s.current.batch.Records
	for ; s.at < len(records); s.at++ {
		s.moved = true
		if len(s.env.LeftOut) > 0 && s.leavesOut(&records[s.at]) {
			s.taken++
			continue
		}
		s.env.Enter(s.node)
		s.env.Origin.Topic, s.env.Origin.Offset, s.env.Origin.Size, s.env.Origin.LeaderEpoch = s.topic, -1, 0, 0
		s.out = records[s.at]
		s.out.Origin = &s.env.Origin
		if s.out.Millis == 0 {
			s.out.Millis = s.task.Now().UnixMilli()
		}
		if err := s.write(); err != nil {
			return fmt.Errorf("%s: %w", s.place(), err)
		}
		if s.env.AfterFed != nil {
			if err := s.env.AfterFed(s.fed()); err != nil {
				return err
			}
		}
		s.taken++
	}
	return nil
}

// place names the record that is handed on.
func (s *Slot[K, V]) place() string {
	split := fmt.Sprintf("source %q: split %q: record %d", s.options.Name, s.of.split.ID, s.at+1)
	if row, ok := s.store.get(s.of.split.ID); ok && row.position != nil {
		return fmt.Sprintf("%s behind position %q", split, row.position)
	}
	return split + " from the start of the split on"
}

// fed describes the record that was handed on.
func (s *Slot[K, V]) fed() operator.FedRecord {
	return operator.FedRecord{
		Split: s.of.split.ID, Record: s.current.batch.Records[s.at], Place: s.place(), Origin: s.env.Origin, Ahead: s.of.handed + s.at + 1,
	}
}

// leavesOut reports whether a record is one that the error policy skips.
func (s *Slot[K, V]) leavesOut(r *weir.Record[K, V]) bool {
	for _, left := range s.env.LeftOut {
		if !left.Passed && left.Split == s.of.split.ID && reflect.DeepEqual(left.Record, *r) {
			left.Passed = true
			return true
		}
	}
	return false
}

// Skip implements [operator.Feed].
func (s *Slot[K, V]) Skip() {
	s.at++
	s.taken++
}

// complete notes the position behind the current batch.
func (s *Slot[K, V]) complete() {
	r, batch, end := s.of, s.current.batch, s.current.end
	s.current, s.of = filled[K, V]{}, nil
	old, known := s.store.get(r.split.ID)
	position := batch.Position
	if position == nil {
		position = old.position
	}
	if batch.Position != nil || end || !known {
		s.store.set(r.split.ID, row{position: position, finished: end})
	}
	r.moved, s.moved = true, true
	if end {
		r.endTaken = true
		s.ended++
		s.openWaiting()
	}
	n := len(batch.Records)
	r.handed += n
	if rate := s.options.RecordsPerSecond / float64(s.slots); rate > 0 {
		s.keepUp(maxLateness)
		s.owed = s.owed.Add(time.Duration(float64(n) / rate * float64(time.Second)))
	}
	now := s.task.Now()
	r.report.took(n, batch.Bytes, position, batch.Behind, now)
	s.mu.Lock()
	s.report.Records += int64(n)
	s.report.Bytes += batch.Bytes
	s.rate.add(now, s.report.Records)
	s.mu.Unlock()
	r.release(batch)
}
