package state

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// sorted calls f for the last change of each key, in the order of keys. A nil value deletes.
func (e *Entries) sorted(f func(key, value []byte) error) error {
	e.sort(e.rows, 0)
	for i := range e.rows {
		r := &e.rows[i]
		if i+1 < len(e.rows) && r.cached == e.rows[i+1].cached && bytes.Equal(e.key(r), e.key(&e.rows[i+1])) {
			continue
		}
		if err := f(e.key(r), e.value(r)); err != nil {
			return err
		}
	}
	return nil
}

// sort orders changes by key and, of one key, by occurrence. All keys have the same first depth bytes.
//
// A look at a key is a cache miss. So 8 bytes of each are kept in the row: those behind the common prefix of all keys.
// Where these are the same as well, the rows are sorted again by the 8 bytes that come then. ("Cache-efficient string
// sorting using copying", Ng and Kakehi 2007, is this with a radix sort.)
func (e *Entries) sort(rows []entryRow, depth int) {
	depth += e.common(rows, depth)
	for i := range rows {
		rows[i].cached = window(e.key(&rows[i]), depth)
	}
	slices.SortFunc(rows, func(a, b entryRow) int { return cmp.Compare(a.cached, b.cached) })
	for len(rows) > 0 {
		n, whole := 1, int(rows[0].keyLength) >= depth+8
		for n < len(rows) && rows[n].cached == rows[0].cached {
			whole = whole && int(rows[n].keyLength) >= depth+8
			n++
		}
		same := rows[:n]
		rows = rows[n:]
		switch {
		case n == 1:
		case n > 32 && whole:
			e.sort(same, depth+8)
		default: // few, or with keys that end within the 8 bytes
			slices.SortFunc(same, func(a, b entryRow) int {
				return cmp.Or(bytes.Compare(e.key(&a), e.key(&b)), cmp.Compare(a.occurrence, b.occurrence))
			})
		}
	}
}

// common returns how many bytes all keys have in common from depth on.
func (e *Entries) common(rows []entryRow, depth int) int {
	if len(rows) == 0 {
		return 0
	}
	prefix := e.key(&rows[0])[depth:]
	for i := range rows {
		key := e.key(&rows[i])[depth:]
		n := 0
		for n < len(prefix) && n < len(key) && prefix[n] == key[n] {
			n++
		}
		if prefix = prefix[:n]; n == 0 {
			break
		}
	}
	return len(prefix)
}

// window returns 8 bytes of a key from depth on, filled up with zeros.
func window(key []byte, depth int) uint64 {
	if len(key) >= depth+8 {
		return binary.BigEndian.Uint64(key[depth:])
	}
	var w [8]byte
	copy(w[:], key[depth:])
	return binary.BigEndian.Uint64(w[:])
}
