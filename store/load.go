package store

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Entries collects changes in any order, to be loaded into a Backend at once. The last change of a key counts. The zero
// value is empty.
type Entries struct {
	arena []byte
	rows  []entryRow
}

// entryRow is a change: where its key and value lie in the arena.
type entryRow struct {
	prefix     uint64 // the first 8 bytes of the key, big endian, so that most comparisons need nothing else
	start      uint32 // of the key in the arena; the value follows
	keyLength  uint32
	valueSize  int32 // -1 deletes
	occurrence uint32
}

// Set adds a change that sets a key. It copies what it is given.
func (e *Entries) Set(key, value []byte) { e.add(key, value, int32(len(value))) }

// Delete adds a change that deletes a key.
func (e *Entries) Delete(key []byte) { e.add(key, nil, -1) }

func (e *Entries) add(key, value []byte, size int32) {
	var prefix [8]byte
	copy(prefix[:], key)
	e.rows = append(e.rows, entryRow{
		prefix: binary.BigEndian.Uint64(prefix[:]), start: uint32(len(e.arena)), keyLength: uint32(len(key)),
		valueSize: size, occurrence: uint32(len(e.rows)),
	})
	e.arena = append(append(e.arena, key...), value...)
}

// Bytes returns the memory that the changes take. It must stay below 1 GiB.
func (e *Entries) Bytes() int { return len(e.arena) + 24*len(e.rows) }

// Len returns the number of changes.
func (e *Entries) Len() int { return len(e.rows) }

// Reset forgets all changes and keeps the memory.
func (e *Entries) Reset() { e.arena, e.rows = e.arena[:0], e.rows[:0] }

func (e *Entries) key(r *entryRow) []byte { return e.arena[r.start : r.start+r.keyLength] }

func (e *Entries) value(r *entryRow) []byte {
	if r.valueSize < 0 {
		return nil
	}
	from := r.start + r.keyLength
	return e.arena[from : from+uint32(r.valueSize) : from+uint32(r.valueSize)]
}

// CopyTo adds the changes to a batch, in the order in which they were made.
func (e *Entries) CopyTo(b Batch) error {
	for i := range e.rows {
		r := &e.rows[i]
		var err error
		if value := e.value(r); value == nil {
			err = b.Delete(e.key(r))
		} else {
			err = b.Set(e.key(r), value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sorted calls f for the last change of each key, in the order of keys. A nil value deletes.
func (e *Entries) sorted(f func(key, value []byte) error) error {
	slices.SortFunc(e.rows, func(a, b entryRow) int {
		if a.prefix != b.prefix {
			if a.prefix < b.prefix {
				return -1
			}
			return 1
		}
		if c := bytes.Compare(e.key(&a), e.key(&b)); c != 0 {
			return c
		}
		return int(a.occurrence) - int(b.occurrence)
	})
	for i := range e.rows {
		r := &e.rows[i]
		if i+1 < len(e.rows) && r.prefix == e.rows[i+1].prefix && bytes.Equal(e.key(r), e.key(&e.rows[i+1])) {
			continue
		}
		if err := f(e.key(r), e.value(r)); err != nil {
			return err
		}
	}
	return nil
}
