package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/weirstreams/weir/codec"
)

// Rows is a range of the rows of one store that other goroutines than the worker may read: states, and open windows. Keys of rows are
// without the prefix of the store.
type Rows struct {
	// From is the first key, and To the first one behind the range. Both begin with the family of the rows.
	From, To []byte
	// Most is the greatest number of rows of a page. It must be positive.
	Most int
}

// StoredRow is a row as it is stored. Value is without the time at which a state ends.
type StoredRow struct{ Key, Value []byte }

const (
	// pageBytes is the size of a page from which on it takes no more rows, and examinedRows is how many rows a page may pass over, expired
	// ones among them.
	pageBytes    = 1 << 20
	examinedRows = 10_000
)

// errRowRange refuses a range that is not one of states or of windows.
var errRowRange = errors.New("a range of rows must lie within the states or the windows of a store")

// Readable reports whether a range is one of states or of windows.
func Readable(rows Rows) bool {
	return len(rows.From) > 0 && len(rows.To) > 0 && (rows.From[0] == familyState || rows.From[0] == familyWindow) &&
		bytes.Compare(rows.To, []byte{rows.From[0] + 1}) <= 0
}

// ReadRows reads a page of rows of the store with a prefix: states that have not expired, or open windows. next is the From of the page
// behind it, or nil if there is none. A page may be empty and not the last one.
func ReadRows(r Reader, prefix []byte, rows Rows) (page []StoredRow, next []byte, err error) {
	if !Readable(rows) {
		return nil, nil, errRowRange
	}
	reached := int64(NoTime)
	if rows.From[0] == familyState {
		if reached, err = reachedTime(r, prefix); err != nil {
			return nil, nil, err
		}
	}
	from, to := slices.Concat(prefix, rows.From), slices.Concat(prefix, rows.To)
	size, examined := 0, 0
	err = r.Scan(from, to, func(key, value []byte) (bool, error) {
		key = key[len(prefix):]
		if len(page) >= rows.Most || size >= pageBytes || examined >= examinedRows {
			next = bytes.Clone(key)
			return false, nil
		}
		examined++
		if key[0] == familyState {
			expires, state, err := cutExpiry(value)
			if err != nil {
				return false, fmt.Errorf("row %s: %w", Quote(key), err)
			}
			if expires != never && expires <= reached {
				return true, nil
			}
			value = state
		}
		page = append(page, StoredRow{Key: bytes.Clone(key), Value: bytes.Clone(value)})
		size += len(key) + len(value)
		return true, nil
	})
	return page, next, err
}

// reachedTime reads the time by which states expire.
func reachedTime(r Reader, prefix []byte) (int64, error) {
	value, err := r.Get(nil, append(slices.Clone(prefix), familyWatermark))
	if errors.Is(err, ErrNotFound) {
		return NoTime, nil
	}
	if err != nil {
		return NoTime, err
	}
	millis, n := binary.Varint(value)
	if n <= 0 {
		return NoTime, errRowLength
	}
	return millis, nil
}

// Layout says how the keys of the rows of a store are made.
type Layout int8

const (
	// CellLayout is the layout of a Cell: a row for each key.
	CellLayout Layout = iota
	// MapLayout is the layout of a Map: a row for each key and field.
	MapLayout
	// WindowLayout is the layout of a Windowed: a row for each key and start of a window, which is its field.
	WindowLayout
)

func (l Layout) family() byte {
	if l == WindowLayout {
		return familyWindow
	}
	return familyState
}

// All returns the range of all rows.
func (l Layout) All() (from, to []byte) { return []byte{l.family()}, []byte{l.family() + 1} }

// Row returns the key of a row. A Cell has no field.
func (l Layout) Row(key, field []byte) []byte {
	if l == CellLayout {
		return append([]byte{familyState}, key...)
	}
	return append(rowKey(nil, l.family(), key), field...)
}

// Split takes the key of a row apart.
func (l Layout) Split(row []byte) (key, field []byte, err error) {
	if len(row) == 0 || row[0] != l.family() {
		return nil, nil, errRowLength
	}
	if l == CellLayout {
		return row[1:], nil, nil
	}
	key, field, ok := splitKey(row[1:])
	if !ok {
		return nil, nil, errRowLength
	}
	return key, field, nil
}

// Behind returns the first key of a row behind all that begin with a prefix of some bytes, of which the first is a family.
func Behind(prefix []byte) []byte { return successor(prefix) }

// TimeField returns the field of a window that begins at a time in milliseconds.
func TimeField(millis int64) []byte { return appendOrdered(nil, millis) }

// VersionField returns the field of a version of a [Versioned] from a time on, in milliseconds: later versions come first.
func VersionField(millis int64) []byte {
	field, _ := newestFirst{}.Append(nil, nil, millis) // never fails
	return field
}

// DecodeTimeField reads the output of TimeField.
func DecodeTimeField(field []byte) (int64, error) {
	if len(field) != 8 {
		return 0, errRowLength
	}
	return ordered(field), nil
}

// DecodeVersionField reads the output of VersionField.
func DecodeVersionField(field []byte) (int64, error) { return newestFirst{}.Decode(nil, field) }

// CutVersion returns the encoded state of a version, and false if the version is a deletion.
func CutVersion(value []byte) (state []byte, ok bool, err error) {
	v, err := versionCodec[[]byte]{codec.Bytes()}.Decode(nil, value)
	return v.state, !v.deleted, err
}

// CutWindow takes the row of a window apart: its greatest event time, the number of its records, and the encoded accumulator.
func CutWindow(start int64, value []byte) (latest, records int64, acc []byte, err error) {
	since, records, _, acc, err := cutWindow(value)
	if since > 0 && start > math.MaxInt64-since {
		return 0, 0, nil, errRowLength
	}
	return start + since, records, acc, err
}

// CodecOf returns the codec of the states of a Cell.
func CodecOf[S any](h *CellHandle[S]) codec.Codec[S] { return h.codec }

// CodecsOf returns the codecs of the fields and states of a Map.
func CodecsOf[F, S any](h *MapHandle[F, S]) (codec.Codec[F], codec.Codec[S]) {
	return h.fields, h.states
}

// VersionCodecOf returns the codec of the states of a Versioned.
func VersionCodecOf[S any](h *VersionedHandle[S]) codec.Codec[S] { return h.states }
