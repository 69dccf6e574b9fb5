package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/weirstreams/weir/codec"
)

// Windowed keeps accumulators by message key and window start. All open windows of a key are one entry of the cache,
// so that a record costs one lookup however many windows it falls into.
//
// A row is the family byte, the length of the message key (a uvarint), the key, and the start of the window (8 bytes,
// big endian, sign bit inverted): the windows of a key are contiguous and in order. Its value is the greatest event
// time in the window (a varint, relative to the start) and the encoded accumulator.
type Windowed[A any] struct {
	name    string
	codec   codec.Codec[A]
	space   Space
	cache   cache[Windows[A]]
	context codec.Context
	current *entry[Windows[A]]
	from    []byte // scratch: first key of a scan
	to      []byte // scratch: end of a scan
	row     []byte // scratch: key of a row
	value   []byte // scratch: value of a row
}

// familyWindow begins the rows of windows. Other families may follow in later versions.
const familyWindow = 'w'

// NoTime is the Latest of a key that has no windows.
const NoTime = math.MinInt64

// Windows are the open windows of one key.
type Windows[A any] struct {
	// Latest is the greatest event time seen in any of the windows, in milliseconds, or NoTime.
	Latest int64
	// Open are the windows, ascending by start.
	Open []Window[A]
	// gone are the starts of windows that were removed but are in the database.
	gone []int64
}

// Find returns the open window that begins at start, or nil. It is valid until the next call of a method of the store.
func (k *Windows[A]) Find(start int64) *Window[A] {
	for i := len(k.Open) - 1; i >= 0 && k.Open[i].Start >= start; i-- {
		if k.Open[i].Start == start {
			return &k.Open[i]
		}
	}
	return nil
}

// Window is one open window of one key.
type Window[A any] struct {
	// Start is the first millisecond of the window.
	Start int64
	// Latest is the greatest event time in the window, in milliseconds.
	Latest int64
	// Acc is what the records of the window were aggregated to.
	Acc A

	changed, stored bool
}

// OpenWindowed returns the windowed store of a task. Operators call it.
func OpenWindowed[A any](space Space, c codec.Codec[A]) *Windowed[A] {
	return &Windowed[A]{
		name: space.Name, codec: c, space: space, cache: newCache[Windows[A]](space.CacheBytes),
		context: codec.Context{Topic: space.Name, Part: codec.State},
	}
}

// Name implements [Store].
func (s *Windowed[A]) Name() string { return s.name }

// Place puts the store on a key and returns its windows, which are valid until the next Place. The key is not kept.
func (s *Windowed[A]) Place(key []byte) (*Windows[A], error) {
	e := s.cache.get(key)
	if e == nil {
		var err error
		if e, err = s.load(key); err != nil {
			return nil, err
		}
	}
	s.current = e
	return &e.value, nil
}

// Update returns the window that begins at start, made if there is none, for the caller to change. at is the event
// time of the record that changes it. The window is valid until the next call of a method.
func (s *Windowed[A]) Update(start, at int64) (w *Window[A], isNew bool) {
	e := s.current
	k := &e.value
	i := len(k.Open)
	for i > 0 && k.Open[i-1].Start > start {
		i--
	}
	if i > 0 && k.Open[i-1].Start == start {
		w = &k.Open[i-1]
		w.Latest = max(w.Latest, at)
	} else {
		k.Open = append(k.Open, Window[A]{})
		copy(k.Open[i+1:], k.Open[i:])
		k.Open[i] = Window[A]{Start: start, Latest: at}
		w, isNew = &k.Open[i], true
		s.resize(e)
	}
	k.Latest = max(k.Latest, at)
	w.changed = true
	s.cache.touch(e)
	return w, isNew
}

// RemoveFirst removes the window with the smallest start and returns it.
func (s *Windowed[A]) RemoveFirst() Window[A] {
	e := s.current
	k := &e.value
	w := k.Open[0]
	if w.stored {
		k.gone = append(k.gone, w.Start)
	}
	copy(k.Open, k.Open[1:])
	k.Open[len(k.Open)-1] = Window[A]{}
	k.Open = k.Open[:len(k.Open)-1]
	s.cache.touch(e)
	return w
}

func (s *Windowed[A]) resize(e *entry[Windows[A]]) {
	s.cache.resize(e, int(unsafe.Sizeof(Windows[A]{}))+len(e.value.Open)*int(unsafe.Sizeof(Window[A]{})))
}

// rowKey appends the part of a row's key that is the same for all windows of a message key.
func rowKey(dst []byte, key string) []byte {
	dst = append(dst, familyWindow)
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	return append(dst, key...)
}

// appendStart appends a window's start so that bytes sort as numbers do.
func appendStart(dst []byte, start int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(start)^1<<63)
}

var errRowLength = errors.New("row is too short or too long")

func (s *Windowed[A]) load(key []byte) (*entry[Windows[A]], error) {
	k := Windows[A]{Latest: NoTime}
	s.from = rowKey(append(s.from[:0], s.space.Prefix...), string(key))
	s.to = appendStart(append(s.to[:0], s.from...), math.MaxInt64)
	err := s.space.Backend.Scan(s.from, s.to, func(row, value []byte) (bool, error) {
		w, err := s.decode(row, value)
		if err != nil {
			return false, fmt.Errorf("store %q: decode a window of key %q: %w", s.name, key, err)
		}
		k.Latest = max(k.Latest, w.Latest)
		k.Open = append(k.Open, w)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	e := s.cache.add(key, k, 0)
	s.resize(e)
	return e, nil
}

func (s *Windowed[A]) decode(row, value []byte) (w Window[A], err error) {
	if len(row) != len(s.from)+8 {
		return w, errRowLength
	}
	w.stored = true
	w.Start = int64(binary.BigEndian.Uint64(row[len(s.from):]) ^ 1<<63)
	sinceStart, n := binary.Varint(value)
	if n <= 0 {
		return w, errRowLength
	}
	w.Latest = w.Start + sinceStart
	w.Acc, err = s.codec.Decode(&s.context, value[n:])
	return w, err
}

// DirtyBytes implements [Store].
func (s *Windowed[A]) DirtyBytes() int64 { return s.cache.dirtyBytes }

// Flush implements [Store].
func (s *Windowed[A]) Flush(emit func(key, value []byte) error) error {
	return s.cache.flush(func(e *entry[Windows[A]]) error {
		k := &e.value
		prefix := rowKey(s.row[:0], e.key)
		for _, start := range k.gone {
			s.row = appendStart(prefix, start)
			if err := emit(s.row, nil); err != nil {
				return err
			}
		}
		k.gone = k.gone[:0]
		for i := range k.Open {
			w := &k.Open[i]
			if !w.changed {
				continue
			}
			var err error
			s.value = binary.AppendVarint(s.value[:0], w.Latest-w.Start)
			if s.value, err = s.codec.Append(s.value, &s.context, w.Acc); err != nil {
				return fmt.Errorf("store %q: encode a window of key %q: %w", s.name, e.key, err)
			}
			s.row = appendStart(prefix, w.Start)
			if err := emit(s.row, s.value); err != nil {
				return err
			}
			w.changed, w.stored = false, true
		}
		return nil
	})
}

// Committed implements [Store].
func (s *Windowed[A]) Committed() { s.cache.committed() }

// Discard implements [Store].
func (s *Windowed[A]) Discard() {
	s.current = nil
	s.cache.discard()
}
