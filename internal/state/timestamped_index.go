package state

import (
	"fmt"
	"math"
)

// index brings the index up to date after the values of a key were changed.
func (s *Timestamped[V]) index(e *entry[Timeline[V]]) error {
	if !s.options.Index {
		return nil
	}
	k := &e.value
	first := k.first
	switch {
	case k.tail == NoTime && len(k.items) == 0:
		if k.indexed {
			s.firsts.remove(endEntry{k.first, e.key, 0})
			k.indexed = false
		}
		return nil
	case k.tail == NoTime:
		first = k.items[0].At
	case k.first < k.cleared: // what is before the tail begins later than it did
		var err error
		if first, err = s.firstTime([]byte(e.key), k.cleared); err != nil {
			return err
		}
	}
	if k.indexed && k.first == first {
		return nil
	}
	if k.indexed {
		s.firsts.remove(endEntry{k.first, e.key, 0})
	}
	k.first, k.indexed = first, true
	s.firsts.tree.Set(endEntry{first, e.key, 0})
	return nil
}

// flushIndex writes where the key is in the index.
func (s *Timestamped[V]) flushIndex(e *entry[Timeline[V]], emit func(key, value []byte) error) error {
	k := &e.value
	if !s.options.Index || k.row == k.indexed && (!k.row || k.rowTime == k.first) {
		return nil
	}
	if k.row {
		if err := s.emitFirst(emit, k.rowTime, e.key, nil); err != nil {
			return err
		}
	}
	if k.indexed {
		if err := s.emitFirst(emit, k.first, e.key, []byte{}); err != nil {
			return err
		}
		s.firsts.flushed(endEntry{k.first, e.key, 0})
	}
	k.row, k.rowTime = k.indexed, k.first
	return nil
}

func (s *Timestamped[V]) emitFirst(emit func(key, value []byte) error, at int64, key string, value []byte) error {
	s.row = appendEnd(s.row[:0], endEntry{at, key, 0})
	return emit(s.row, value)
}

// Due places the store on the key whose first value is the earliest, and returns the key, if the time of that value is not
// after limit. Order is by time, then by key bytes. The caller removes processed values, at least the first
// one.
func (s *Timestamped[V]) Due(limit int64) (key string, ok bool, err error) {
	for {
		first, ok, err := s.firsts.first(s.space, limit, s.options.Ahead)
		if err != nil || !ok {
			return "", false, err
		}
		s.due = append(s.due[:0], first.key...)
		if err := s.Place(s.due); err != nil {
			return "", false, err
		}
		if k := &s.current.value; k.indexed && k.first == first.end {
			return first.key, true, nil
		}
		s.firsts.remove(first)
	}
}

// NextKey places the store on the key that comes next after a time and a key, in the order of first values and then of keys, and returns it
// with the time of its first value, unless that is after limit. It brings that part of the index into memory.
func (s *Timestamped[V]) NextKey(at int64, key string, limit int64) (nextAt int64, next string, ok bool, err error) {
	for limit > s.firsts.horizon { // piece by piece, as few keys are needed at a time
		if found, ok := s.firsts.after(at, key); ok && found.end <= s.firsts.horizon {
			break
		}
		to := limit
		if s.firsts.horizon != NoTime {
			to = min(limit, s.firsts.horizon+s.options.Ahead)
		}
		if err := s.firsts.read(s.space, to); err != nil {
			return 0, "", false, err
		}
	}
	for {
		found, ok := s.firsts.after(at, key)
		if !ok || found.end > limit {
			return 0, "", false, nil
		}
		s.due = append(s.due[:0], found.key...)
		if err := s.Place(s.due); err != nil {
			return 0, "", false, err
		}
		if k := &s.current.value; k.indexed && k.first == found.end {
			return found.end, found.key, true, nil
		}
		s.firsts.remove(found)
	}
}

// HasDue reports whether Due has anything to return.
func (s *Timestamped[V]) HasDue(limit int64) (bool, error) {
	_, ok, err := s.Due(limit)
	return ok, err
}

// NextDue returns a time before which Due has nothing to return. It reads nothing.
func (s *Timestamped[V]) NextDue() int64 {
	next := s.firsts.horizon
	if next < math.MaxInt64 {
		next++
	}
	if first, ok := s.firsts.tree.Min(); ok {
		next = min(next, first.end)
	}
	return next
}

// Watermark returns the time that was reached by AdvanceTo, or NoTime. It survives restarts.
func (s *Timestamped[V]) Watermark() (int64, error) {
	if !s.time.loaded {
		if err := s.time.load(s.space); err != nil {
			return 0, fmt.Errorf("store %q: %w", s.name, err)
		}
	}
	return s.time.millis, nil
}

// AdvanceTo moves the watermark, never back. Watermark has been called before.
func (s *Timestamped[V]) AdvanceTo(millis int64) { s.time.advance(millis) }
