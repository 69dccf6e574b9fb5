package state

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/measure"
)

// Timestamped keeps values by message key and time: the sides of joins.
//
// Of each key, the latest values are in memory while the key is in the cache, and older values are read on demand:
// the memory of a key does not grow with the retention of its values.
//
// Its rows begin with a family byte; numbers and keys are written as in [Windowed].
//
//	't' key at [number]  one value. The number is there if equal times are kept: it counts them, from 0, in 4 bytes.
//	'e' at key 0         the index of keys by the time of their first value. The value is empty.
//	'm'                  the watermark, a varint.
type Timestamped[V any] struct {
	name    string
	codec   codec.Codec[V]
	space   Space
	options TimestampedOptions
	cache   cache[Timeline[V]]
	context codec.Context
	current *entry[Timeline[V]]
	measure measure.Measurer[V] // what a value refers to, in bytes
	time    watermark
	firsts  endIndex
	from    []byte // scratch: first key of a scan
	to      []byte // scratch: end of a scan
	row     []byte // scratch: key of a row
	value   []byte // scratch: value of a row
	due     []byte // scratch: key of Due
}

// TimestampedOptions say how a Timestamped keeps values.
type TimestampedOptions struct {
	// Grace is how many milliseconds a value may be older than the latest of its key. It has no effect with Index.
	Grace int64
	// Duplicates keeps values of one key and time beside each other. Without it the later one takes the place of the
	// earlier.
	Duplicates bool
	// Index keeps an index of keys by the time of their first value, for Due. Values stay until RemoveFirst.
	Index bool
	// Tail is how many values of a key stay in memory for as long as the key does, and more until the next checkpoint. 0
	// means Limits.TailValues.
	Tail int
	// Cause makes the store a [Cause].
	Cause bool
	// Ahead is the distance beyond its limit up to which Due reads the index.
	Ahead int64
}

const (
	familyTimed = 't'
	// moved is how many values are moved to the front when the first goes, rather than that memory is allocated anew.
	moved = 32
)

// Timeline are the values of one key, as far as they are in memory.
type Timeline[V any] struct {
	// items are all values from the time of tail on, ascending by time and arrival.
	items []Timed[V]
	// tail is NoTime if all values are in memory.
	tail int64
	// cleared is a time before which the database holds nothing, or NoTime.
	// Everything that was removed from it lies before that, too, or in gone.
	cleared int64
	// gone are values that were removed but are in the database.
	gone []timedID
	// bytes is the memory behind the items.
	bytes int64
	// first is the time of the key in the index; indexed says whether the key is there, row and rowTime whether and with
	// which time it is in the database.
	first, rowTime int64
	indexed, row   bool
}

type timedID struct {
	at     int64
	number uint32
}

// Timed is one value of one key.
type Timed[V any] struct {
	// At is the time of the value in milliseconds.
	At    int64
	Value V

	number          uint32
	changed, stored bool
}

// OpenTimestamped returns the timestamped store of a task. Operators call it.
func OpenTimestamped[V any](space Space, c codec.Codec[V], options TimestampedOptions) *Timestamped[V] {
	s := &Timestamped[V]{
		name: space.Name, codec: c, space: space, options: options, cache: newCache[Timeline[V]](space.CacheBytes), measure: measure.Of[V](),
		context: codec.Context{Topic: space.Name, Part: codec.State},
	}
	if options.Tail == 0 {
		s.options.Tail = space.Limits.tailValues()
	}
	s.firsts.reset()
	return s
}

// Name implements [Store].
func (s *Timestamped[V]) Name() string { return s.name }

// Place puts the store on a key, which is not kept. Results of other methods are valid until the next call of a method.
func (s *Timestamped[V]) Place(key []byte) error {
	e := s.cache.get(key)
	if e == nil {
		var err error
		if e, err = s.load(key); err != nil {
			return err
		}
	} else if e.state == clean && len(e.value.items) > 2*s.options.Tail {
		s.trim(e)
	}
	s.current = e
	return nil
}

// watermark returns the time before which values of the key do not count.
func (s *Timestamped[V]) watermark(k *Timeline[V]) int64 {
	if len(k.items) == 0 || s.options.Index {
		return math.MinInt64
	}
	return k.items[len(k.items)-1].At - s.options.Grace
}

// Put keeps the value at v for the current key, and drops the values that are too old then. It reports false if it is too old
// itself. The time must be after the values that RemoveFirst has removed of the key.
func (s *Timestamped[V]) Put(at int64, v *V) (bool, error) {
	e := s.current
	k := &e.value
	if at < s.watermark(k) {
		return false, nil
	}
	if at < k.tail {
		if err := s.loadBack(e); err != nil {
			return false, err
		}
	}
	i := len(k.items)
	for i > 0 && k.items[i-1].At > at {
		i--
	}
	switch {
	case i > 0 && k.items[i-1].At == at && !s.options.Duplicates:
		it := &k.items[i-1]
		s.count(k, &it.Value, -1)
		it.Value, it.changed = *v, true
		if s.measure.Refers() {
			s.count(k, &it.Value, 1)
			s.resize(e)
		}
	default:
		number, latest := uint32(0), i == len(k.items)
		if i > 0 && k.items[i-1].At == at {
			number = k.items[i-1].number + 1
		}
		k.items = append(k.items, Timed[V]{})
		if !latest {
			copy(k.items[i+1:], k.items[i:])
		}
		// In its place, field by field: a composite literal is built elsewhere and copied.
		it := &k.items[i]
		it.At, it.Value, it.number, it.changed, it.stored = at, *v, number, true, false
		s.count(k, &it.Value, 1)
		if latest {
			s.dropBefore(k, s.watermark(k))
		}
		s.resize(e)
	}
	s.cache.touch(e)
	return true, s.index(e)
}

// dropBefore drops the values before a time.
func (s *Timestamped[V]) dropBefore(k *Timeline[V], before int64) {
	n := 0
	for ; n < len(k.items) && k.items[n].At < before; n++ {
		it := &k.items[n]
		s.count(k, &it.Value, -1)
		if it.stored {
			k.gone = append(k.gone, timedID{it.At, it.number})
		}
	}
	rest := k.items[n:]
	if len(rest) > max(n, moved) {
		clear(k.items[:n])
		k.items = rest // what is appended makes room by itself, now and then
		return
	}
	copy(k.items, rest)
	clear(k.items[len(rest):])
	k.items = k.items[:len(rest)]
}

// Before returns the latest value of the current key at or before a time, or nil.
func (s *Timestamped[V]) Before(at int64) (*Timed[V], error) {
	e := s.current
	k := &e.value
	for i := len(k.items) - 1; i >= 0; i-- {
		if k.items[i].At <= at {
			return &k.items[i], nil
		}
	}
	if k.tail == NoTime || at < s.watermark(k) {
		return nil, nil
	}
	if err := s.loadBack(e); err != nil {
		return nil, err
	}
	return s.Before(at)
}

// After returns the earliest value of the current key at or after a time, or nil.
func (s *Timestamped[V]) After(at int64) (*Timed[V], error) {
	items, err := s.Between(at, math.MaxInt64)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	return &items[0], nil
}

// Between returns the values of the current key with from <= At <= to, by time, then by arrival.
func (s *Timestamped[V]) Between(from, to int64) ([]Timed[V], error) {
	e := s.current
	k := &e.value
	if from < k.tail && k.tail != NoTime && to >= s.watermark(k) {
		if err := s.loadBack(e); err != nil {
			return nil, err
		}
	}
	j := len(k.items)
	for j > 0 && k.items[j-1].At > to {
		j--
	}
	i := j
	for i > 0 && k.items[i-1].At >= from {
		i--
	}
	return k.items[i:j], nil
}

// Changed notes that a value which Between or Before has returned was changed. It must be called before the next method.
func (s *Timestamped[V]) Changed(it *Timed[V]) {
	it.changed = true
	s.cache.touch(s.current)
}

// RemoveFirst removes the values of the current key up to and including a time.
func (s *Timestamped[V]) RemoveFirst(limit int64) error {
	e := s.current
	k := &e.value
	if k.tail != NoTime {
		if err := s.noteExpired(e, min(limit+1, k.tail)); err != nil {
			return err
		}
		if limit+1 >= k.tail {
			k.tail = NoTime
		}
	}
	s.dropBefore(k, limit+1)
	s.resize(e)
	s.cache.touch(e)
	return s.index(e)
}

// Remove removes the values of the current key that chosen reports true for, given their positions among all values of the key.
func (s *Timestamped[V]) Remove(chosen func(i int) bool) error {
	e := s.current
	k := &e.value
	if k.tail != NoTime {
		if err := s.loadBack(e); err != nil {
			return err
		}
	}
	n := 0
	for i := range k.items {
		it := &k.items[i]
		if !chosen(i) {
			k.items[n] = *it
			n++
			continue
		}
		s.count(k, &it.Value, -1)
		if it.stored {
			k.gone = append(k.gone, timedID{it.At, it.number})
		}
	}
	if n == len(k.items) {
		return nil
	}
	clear(k.items[n:])
	k.items = k.items[:n]
	s.resize(e)
	s.cache.touch(e)
	return s.index(e)
}

// First returns the time of the first value of the current key, and whether there is one. It needs an index.
func (s *Timestamped[V]) First() (at int64, ok bool) {
	return s.current.value.first, s.current.value.indexed
}

func (s *Timestamped[V]) resize(e *entry[Timeline[V]]) {
	k := &e.value
	if len(k.items) == 0 {
		k.bytes = 0 // values may have changed while they were kept
	}
	s.cache.resize(e, int(unsafe.Sizeof(*k))+cap(k.items)*int(unsafe.Sizeof(Timed[V]{}))+int(max(0, k.bytes)))
}

// count adds the memory behind a value, times sign, to the size of a key.
func (s *Timestamped[V]) count(k *Timeline[V], v *V, sign int64) {
	if s.measure.Refers() {
		k.bytes += sign * int64(s.measure.Bytes(v))
	}
}

// rowOf writes the key of a value's row to s.row.
func (s *Timestamped[V]) rowOf(key string, id timedID) []byte {
	s.row = appendOrdered(rowKey(s.row[:0], familyTimed, key), id.at)
	if s.options.Duplicates {
		s.row = binary.BigEndian.AppendUint32(s.row, id.number)
	}
	return s.row
}

// DirtyBytes implements [Store].
func (s *Timestamped[V]) DirtyBytes() int64 { return s.cache.dirtyBytes + s.time.dirtyBytes() }

// WrittenLast implements [Cause].
func (s *Timestamped[V]) WrittenLast() bool { return s.options.Cause }

// Flush implements [Store].
func (s *Timestamped[V]) Flush(emit func(key, value []byte) error) error {
	if err := s.time.flush(emit); err != nil {
		return err
	}
	return s.cache.flush(func(e *entry[Timeline[V]]) error {
		k := &e.value
		if err := s.clearBack(e); err != nil {
			return err
		}
		for _, id := range k.gone { // first: a value may be there again
			if err := emit(s.rowOf(e.key, id), nil); err != nil {
				return err
			}
		}
		k.gone = k.gone[:0]
		for i := range k.items {
			it := &k.items[i]
			if !it.changed {
				continue
			}
			var err error
			if s.value, err = s.codec.Append(s.value[:0], &s.context, it.Value); err != nil {
				return fmt.Errorf("store %q: encode a value of key %s: %w", s.name, s.space.shown([]byte(e.key)), err)
			}
			if err := emit(s.rowOf(e.key, timedID{it.At, it.number}), nonNil(s.value)); err != nil {
				return err
			}
			it.changed, it.stored = false, true
		}
		return s.flushIndex(e, emit)
	})
}

// Committed implements [Store].
func (s *Timestamped[V]) Committed() {
	s.firsts.committed(func(first endEntry) bool { // changed since the flush
		e := s.cache.entries[first.key]
		return e != nil && e.value.indexed && e.value.first == first.end && e.value.rowTime != first.end
	})
	s.cache.committed()
}

// Discard implements [Store].
func (s *Timestamped[V]) Discard() {
	s.current = nil
	s.cache.discard()
	s.time = watermark{}
	s.firsts.reset()
}
