package state

import (
	"sync"
	"unsafe"
)

// Entries collects changes in any order, to be loaded into a Backend at once. The last change of a key counts. The zero
// value is empty.
type Entries struct {
	// chunks hold keys and values. A place is counted over all chunks, each of chunkBytes; a pair that is larger has one
	// chunk for itself, and nil for the others that it would take.
	chunks []*[chunkBytes]byte
	large  map[int][]byte // by chunk
	next   int            // place
	bytes  int
	rows   []entryRow
	// scratch is memory of sortCached, for as many rows at most.
	scratch []entryRow
}

// chunkBytes is 256 KiB: a power of two, large enough for hardly any pair to be larger.
const chunkBytes = 256 << 10

// chunkPool holds chunks that were reset. Allocating fresh memory takes longer than filling it.
var chunkPool = sync.Pool{New: func() any { return new([chunkBytes]byte) }}

// entryRow is a change: where its key and value lie.
type entryRow struct {
	cached     uint64 // the 8 bytes of the key that decide, big endian; see sort
	place      uint32 // of the key; the value follows
	keyLength  uint32
	valueSize  int32 // -1 deletes
	occurrence uint32
}

// Set adds a change that sets a key. It copies its arguments.
func (e *Entries) Set(key, value []byte) { e.add(key, value, int32(len(value))) }

// Delete adds a change that deletes a key.
func (e *Entries) Delete(key []byte) { e.add(key, nil, -1) }

func (e *Entries) add(key, value []byte, size int32) {
	place, memory := e.reserve(len(key) + len(value))
	copy(memory[copy(memory, key):], value)
	e.rows = append(e.rows, entryRow{
		place: uint32(place), keyLength: uint32(len(key)), valueSize: size, occurrence: uint32(len(e.rows)),
	})
	e.bytes += len(memory)
}

// reserve returns memory for a pair, and its place.
func (e *Entries) reserve(n int) (place int, memory []byte) {
	if n > chunkBytes {
		chunk := len(e.chunks)
		if e.large == nil {
			e.large = make(map[int][]byte)
		}
		e.large[chunk] = make([]byte, n)
		for range (n + chunkBytes - 1) / chunkBytes {
			e.chunks = append(e.chunks, nil)
		}
		e.next = len(e.chunks) * chunkBytes
		return chunk * chunkBytes, e.large[chunk]
	}
	if left := len(e.chunks)*chunkBytes - e.next; left < n {
		e.next = len(e.chunks) * chunkBytes
		e.chunks = append(e.chunks, chunkPool.Get().(*[chunkBytes]byte))
	}
	place = e.next
	e.next += n
	return place, e.at(place, n)
}

// at returns n bytes from a place on.
func (e *Entries) at(place, n int) []byte {
	chunk, from := place/chunkBytes, place%chunkBytes
	if chunk >= len(e.chunks) { // an empty pair at the very end
		return nil
	}
	if c := e.chunks[chunk]; c != nil {
		return c[from : from+n : from+n]
	}
	return e.large[chunk][from : from+n : from+n]
}

// Bytes returns the memory that the changes take, with that of their sort. It must stay below 1 GiB.
func (e *Entries) Bytes() int { return e.bytes + 2*int(unsafe.Sizeof(entryRow{}))*len(e.rows) }

// Len returns the number of changes.
func (e *Entries) Len() int { return len(e.rows) }

// Reset forgets all changes.
func (e *Entries) Reset() {
	for _, c := range e.chunks {
		if c != nil {
			chunkPool.Put(c)
		}
	}
	clear(e.chunks)
	*e = Entries{chunks: e.chunks[:0], rows: e.rows[:0], scratch: e.scratch[:0]}
}

func (e *Entries) key(r *entryRow) []byte { return e.at(int(r.place), int(r.keyLength)) }

func (e *Entries) value(r *entryRow) []byte {
	if r.valueSize < 0 {
		return nil
	}
	pair := e.at(int(r.place), int(r.keyLength)+int(r.valueSize))
	return pair[r.keyLength:len(pair):len(pair)]
}

// CopyTo adds the changes to a batch, in the order of their addition.
func (e *Entries) CopyTo(b Batch) error {
	for i := range e.rows {
		r := &e.rows[i]
		var err error
		if r.valueSize < 0 {
			err = b.Delete(e.key(r))
		} else {
			err = b.Set(e.key(r), e.value(r))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
