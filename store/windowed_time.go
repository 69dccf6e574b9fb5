package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// watermark is a time that belongs to all keys of a store.
type watermark struct {
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
	return emit([]byte{familyWatermark}, binary.AppendVarint(nil, w.millis))
}

// Watermark returns the time that was reached by AdvanceTo, or NoTime. It survives restarts.
func (s *Windowed[A]) Watermark() (int64, error) {
	if s.time.loaded {
		return s.time.millis, nil
	}
	// Not when the store is opened: what it holds is restored after that.
	err := s.checkDefinition()
	if err != nil {
		return 0, err
	}
	s.row = append(append(s.row[:0], s.space.Prefix...), familyWatermark)
	s.value, err = s.space.Backend.Get(s.value[:0], s.row)
	switch {
	case errors.Is(err, ErrNotFound):
		s.time.millis = NoTime
	case err != nil:
		return 0, fmt.Errorf("store %q: read the watermark: %w", s.name, err)
	default:
		var n int
		if s.time.millis, n = binary.Varint(s.value); n != len(s.value) || n <= 0 {
			return 0, fmt.Errorf("store %q: decode the watermark: %w", s.name, errRowLength)
		}
	}
	s.time.loaded = true
	return s.time.millis, nil
}

// AdvanceTo moves the watermark, never back. Watermark has been called before.
func (s *Windowed[A]) AdvanceTo(millis int64) {
	if millis > s.time.millis {
		s.time.millis, s.time.changed = millis, true
	}
}

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
