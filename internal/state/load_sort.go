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
// sorting using copying", Ng and Kakehi 2007.)
func (e *Entries) sort(rows []entryRow, depth int) {
	depth += e.common(rows, depth)
	for i := range rows {
		rows[i].cached = window(e.key(&rows[i]), depth)
	}
	e.sortCached(rows)
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

// radixRows is the number of rows from which on a radix sort is the faster one.
const radixRows = 512

// sortCached orders rows by their cached bytes. Many of them are distributed by one byte after the other, from the last to the first, which
// keeps the order of equal ones; a byte that all have in common is left out.
func (e *Entries) sortCached(rows []entryRow) {
	if len(rows) < radixRows {
		slices.SortFunc(rows, func(a, b entryRow) int { return cmp.Compare(a.cached, b.cached) })
		return
	}
	var counts [8][256]uint32 // of the values of each byte, from the last
	for i := range rows {
		c := rows[i].cached
		for at := range counts {
			counts[at][byte(c>>(8*at))]++
		}
	}
	e.scratch = slices.Grow(e.scratch[:0], len(rows))[:len(rows)]
	from, to := rows, e.scratch
	for at := range counts {
		next, shift := &counts[at], 8*at
		if next[byte(from[0].cached>>shift)] == uint32(len(from)) {
			continue
		}
		sum := uint32(0)
		for value, n := range next { // from counts to places
			next[value] = sum
			sum += n
		}
		for i := range from {
			place := &next[byte(from[i].cached>>shift)]
			to[*place] = from[i]
			*place++
		}
		from, to = to, from
	}
	if &from[0] != &rows[0] {
		copy(rows, from)
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
