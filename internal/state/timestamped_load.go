package state

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// load reads the tail of a key's values.
func (s *Timestamped[V]) load(key []byte) (*entry[Timeline[V]], error) {
	k := Timeline[V]{tail: NoTime, cleared: NoTime}
	err := s.scanBack(key, math.MaxInt64, func(it Timed[V]) bool {
		if n := len(k.items); n >= s.options.Tail && k.items[n-1].At != it.At {
			k.tail = k.items[n-1].At
			return false
		}
		k.items = append(k.items, it)
		return true
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(k.items)
	for i := range k.items {
		s.count(&k, &k.items[i].Value, 1)
	}
	if s.options.Index && len(k.items) > 0 {
		k.rowTime = k.items[0].At
		if k.tail != NoTime {
			if k.rowTime, err = s.firstTime(key, math.MinInt64); err != nil {
				return nil, err
			}
		}
		k.first, k.indexed, k.row = k.rowTime, true, true
	}
	e := s.cache.add(key, k, 0)
	s.resize(e)
	return e, nil
}

// loadBack reads the values before the tail.
func (s *Timestamped[V]) loadBack(e *entry[Timeline[V]]) error {
	k := &e.value
	if err := s.noteExpired(e, min(s.watermark(k), k.tail)); err != nil {
		return err
	}
	var older []Timed[V]
	err := s.scanBack([]byte(e.key), k.tail, func(it Timed[V]) bool {
		if it.At < k.cleared {
			return false
		}
		older = append(older, it)
		return true
	})
	if err != nil {
		return err
	}
	slices.Reverse(older)
	for i := range older {
		s.count(k, &older[i].Value, 1)
	}
	k.items = append(older, k.items...)
	k.tail = NoTime
	s.resize(e)
	return nil
}

// noteExpired marks the rows before a time, which is not after the tail, as gone.
func (s *Timestamped[V]) noteExpired(e *entry[Timeline[V]], before int64) error {
	k := &e.value
	gone := len(k.gone)
	err := s.scanIDs([]byte(e.key), k.cleared, before, func(id timedID) { k.gone = append(k.gone, id) })
	if len(k.gone) > gone {
		s.cache.touch(e)
	}
	k.cleared = max(k.cleared, before)
	return err
}

// clearBack marks the rows before the tail that do not count any more as gone.
func (s *Timestamped[V]) clearBack(e *entry[Timeline[V]]) error {
	k := &e.value
	if k.tail == NoTime {
		return nil
	}
	watermark := s.watermark(k)
	if err := s.noteExpired(e, min(watermark, k.tail)); err != nil {
		return err
	}
	if watermark >= k.tail {
		k.tail = NoTime
	}
	return nil
}

// trim forgets all but the latest values of an entry that is as it is in the database.
func (s *Timestamped[V]) trim(e *entry[Timeline[V]]) {
	k := &e.value
	n := len(k.items) - s.options.Tail
	for n > 0 && k.items[n-1].At == k.items[n].At {
		n--
	}
	if n == 0 {
		return
	}
	k.tail = k.items[n].At
	for i := range n {
		s.count(k, &k.items[i].Value, -1)
	}
	k.items = slices.Clone(k.items[n:])
	s.resize(e)
}

// bounds sets s.from and s.to so that they enclose the rows of a key with from <= at < to. It returns the length of their
// common prefix.
func (s *Timestamped[V]) bounds(key []byte, from, to int64) int {
	s.from = rowKey(append(s.from[:0], s.space.Prefix...), familyTimed, key)
	n := len(s.from)
	s.to = append(s.to[:0], s.from...)
	s.from = appendOrdered(s.from, from)
	if to == math.MaxInt64 {
		s.to = afterOrdered(s.to)
	} else {
		s.to = appendOrdered(s.to, to)
	}
	return n
}

// scanBack calls f with the values of a key before a time, the latest first, until it returns false.
func (s *Timestamped[V]) scanBack(key []byte, before int64, f func(Timed[V]) bool) error {
	n := s.bounds(key, math.MinInt64, before)
	return s.space.Backend.ScanBack(s.from, s.to, func(row, value []byte) (bool, error) {
		id, err := s.decodeID(row[n:])
		it := Timed[V]{At: id.at, number: id.number, stored: true}
		if err == nil {
			it.Value, err = s.codec.Decode(&s.context, value)
		}
		if err != nil {
			return false, fmt.Errorf("store %q: decode a value of key %s: %w", s.name, s.space.shown(key), err)
		}
		return f(it), nil
	})
}

// scanIDs calls f with where the rows of a key with from <= at < to are.
func (s *Timestamped[V]) scanIDs(key []byte, from, to int64, f func(timedID)) error {
	if from >= to {
		return nil
	}
	n := s.bounds(key, from, to)
	return s.space.Backend.Scan(s.from, s.to, func(row, _ []byte) (bool, error) {
		id, err := s.decodeID(row[n:])
		if err != nil {
			return false, fmt.Errorf("store %q: decode a value of key %s: %w", s.name, s.space.shown(key), err)
		}
		f(id)
		return true, nil
	})
}

func (s *Timestamped[V]) decodeID(row []byte) (id timedID, err error) {
	switch {
	case !s.options.Duplicates && len(row) == 8:
	case s.options.Duplicates && len(row) == 12:
		id.number = binary.BigEndian.Uint32(row[8:])
	default:
		return id, errRowLength
	}
	id.at = ordered(row)
	return id, nil
}

// firstTime returns the time of the first row of a key that is not before a time, or NoTime.
func (s *Timestamped[V]) firstTime(key []byte, from int64) (int64, error) {
	first := int64(NoTime)
	n := s.bounds(key, from, math.MaxInt64)
	err := s.space.Backend.Scan(s.from, s.to, func(row, _ []byte) (bool, error) {
		id, err := s.decodeID(row[n:])
		first = id.at
		return false, err
	})
	return first, err
}
