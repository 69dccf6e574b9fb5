package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// watermark is a time that belongs to all keys of a store.
type watermark struct {
	family          byte // of its row; 0 means familyWatermark
	loaded, changed bool
	millis          int64
}

func (w *watermark) dirtyBytes() int64 {
	if w.changed {
		return 16
	}
	return 0
}

func (w *watermark) flush(emit func(key, value []byte) error) error {
	if !w.changed {
		return nil
	}
	w.changed = false
	if w.millis == NoTime {
		return emit([]byte{w.row()}, nil)
	}
	return emit([]byte{w.row()}, binary.AppendVarint(nil, w.millis))
}

func (w *watermark) row() byte {
	if w.family == 0 {
		return familyWatermark
	}
	return w.family
}

// load reads the time from the database. Not when the store is opened: its content is restored after that.
func (w *watermark) load(space Space) error {
	value, err := space.Backend.Get(nil, append(slices.Clone(space.Prefix), w.row()))
	switch {
	case errors.Is(err, ErrNotFound):
		w.millis = NoTime
	case err != nil:
		return fmt.Errorf("read the watermark: %w", err)
	default:
		var n int
		if w.millis, n = binary.Varint(value); n != len(value) || n <= 0 {
			return fmt.Errorf("decode the watermark: %w", errRowLength)
		}
	}
	w.loaded = true
	return nil
}

// advance moves the time, never back.
func (w *watermark) advance(millis int64) {
	if millis > w.millis {
		w.millis, w.changed = millis, true
	}
}

// Watermark returns the time that was reached by AdvanceTo, or NoTime. It survives restarts.
func (s *Windowed[A]) Watermark() (int64, error) {
	if s.time.loaded {
		return s.time.millis, nil
	}
	if err := s.checkDefinition(); err != nil {
		return 0, err
	}
	return s.time.read(s.space)
}

// read returns the watermark of the store that has a space.
func (w *watermark) read(space Space) (int64, error) {
	if !w.loaded {
		if err := w.load(space); err != nil {
			return 0, fmt.Errorf("store %q: %w", space.Name, err)
		}
	}
	return w.millis, nil
}

// AdvanceTo moves the watermark, never back. Watermark has been called before.
func (s *Windowed[A]) AdvanceTo(millis int64) { s.time.advance(millis) }

// Keys returns the encoded keys that may have open windows, sorted. It costs in proportion to them.
func (s *Windowed[A]) Keys() ([]string, error) {
	var keys []string
	for key, e := range s.cache.entries {
		if len(e.value.Open) > 0 {
			keys = append(keys, key)
		}
	}
	s.from = append(append(s.from[:0], s.space.Prefix...), familyWindow)
	s.to = append(append(s.to[:0], s.space.Prefix...), familyWindow+1)
	err := s.space.Backend.Scan(s.from, s.to, func(row, _ []byte) (bool, error) {
		rest := row[len(s.from):]
		length, n := binary.Uvarint(rest)
		if n <= 0 || length > math.MaxInt32 || len(rest) != n+int(length)+8 {
			return false, fmt.Errorf("store %q: read keys: %w", s.name, errRowLength)
		}
		key := rest[n : n+int(length)]
		if len(keys) == 0 || keys[len(keys)-1] != string(key) {
			keys = append(keys, string(key))
		}
		return true, nil
	})
	slices.Sort(keys)
	return slices.Compact(keys), err
}
