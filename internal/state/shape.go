package state

import (
	"encoding/binary"
	"fmt"
)

// Kinds of rows that hold data of a key. All other rows are indexes and positions of the store itself.
const (
	StateRow  = "state"  // of a Cell or Map
	WindowRow = "window" // an open window
	ItemRow   = "item"   // an item that a window has collected
	ValueRow  = "value"  // a side of a join
	TimerRow  = "timer"
)

// Shape is a row of a store, taken apart without the types of the store. Its bytes are parts of the row.
type Shape struct {
	// Kind is a kind of row, or empty for a row of the store itself.
	Kind string
	// Key is the key of the message, encoded.
	Key []byte
	// Field is the encoded field of a Map, or the name of a timer. It is nil in other rows.
	Field []byte
	// Time is the start of a window, or the time of an item, a value or a timer, in milliseconds.
	Time int64
	// Expires is the time in milliseconds at which a state ends, or 0.
	Expires int64
	// Records is the number of records in a window.
	Records int64
	// Value is the encoded state, accumulator, item or value. It is nil for timers.
	Value []byte
}

// ShapeOf takes a row of a store apart, without the prefix of the store. fields says that the store is a Map.
func ShapeOf(row, value []byte, fields bool) (s Shape, err error) {
	if len(row) == 0 {
		return s, errRowLength
	}
	rest := row[1:]
	switch row[0] {
	case familyState:
		return shapeOfState(rest, value, fields)
	case familyWindow, familyItem, familyTimed:
		var ok bool
		if s.Key, rest, ok = splitKey(rest); !ok || len(rest) < 8 {
			return s, errRowLength
		}
		s.Time, s.Value = ordered(rest), value
		switch {
		case row[0] == familyTimed && (len(rest) == 8 || len(rest) == 12):
			s.Kind = ValueRow
		case row[0] == familyItem && len(rest) == 16:
			s.Kind = ItemRow
		case row[0] == familyWindow && len(rest) == 8:
			s.Kind = WindowRow
			_, s.Records, _, s.Value, err = cutWindow(value)
			return s, err
		default:
			return s, errRowLength
		}
	case familyTimer:
		var ok bool
		if len(rest) == 0 || len(value) != 8 {
			return s, errRowLength
		}
		if s.Key, s.Field, ok = splitKey(rest[1:]); !ok {
			return s, errRowLength
		}
		s.Kind, s.Time = TimerRow, ordered(value)
	case familyExpiry, familyEnd, familyWatermark, familyPace, familyDefinition: // familyDue is familyDefinition
	default:
		return s, fmt.Errorf("no store has rows of family %q", row[0])
	}
	return s, nil
}

func shapeOfState(key, value []byte, fields bool) (s Shape, err error) {
	s = Shape{Kind: StateRow, Key: key}
	if fields {
		var ok bool
		if s.Key, s.Field, ok = splitKey(key); !ok {
			return s, errRowLength
		}
	}
	if s.Expires, s.Value, err = cutExpiry(value); s.Expires == never {
		s.Expires = 0
	}
	return s, err
}

// Prefixes returns the beginnings of all rows of a key in a store. Rows of a Cell begin with their key, so rows of longer keys begin
// with the same bytes.
func Prefixes(key []byte, fields bool) [][]byte {
	cell := append([]byte{familyState}, key...)
	if fields {
		cell = rowKey(nil, familyState, key)
	}
	prefixes := [][]byte{cell}
	for _, family := range []byte{familyWindow, familyItem, familyTimed} {
		prefixes = append(prefixes, rowKey(nil, family, key))
	}
	for kind := range byte(2) {
		timer := binary.AppendUvarint([]byte{familyTimer, kind}, uint64(len(key)))
		prefixes = append(prefixes, append(timer, key...))
	}
	return prefixes
}
