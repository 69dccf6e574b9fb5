package state

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/tidwall/btree"
)

// endIndex holds in memory the part of the index by end that is needed soon: all entries up to the horizon, and those
// after it that are not in the database yet. An entry is a hint: whether the window is still there, and still ends then,
// is looked up when it is due.
type endIndex struct {
	tree    sorted[endEntry]
	horizon int64
	// flushing are entries after the horizon that the running checkpoint writes to the database.
	flushing []endEntry
}

type endEntry struct {
	end   int64
	key   string
	start int64
}

//go:noinline
func (x *endIndex) reset() {
	*x = endIndex{horizon: NoTime, tree: btree.NewBTreeGOptions(func(a, b endEntry) bool {
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.key, b.key), cmp.Compare(a.start, b.start)) < 0
	}, btree.Options{NoLocks: true})}
}

func (x *endIndex) add(e endEntry)    { x.tree.Set(e) }
func (x *endIndex) remove(e endEntry) { x.tree.Delete(e) }

func (x *endIndex) flushed(e endEntry) {
	if e.end > x.horizon {
		x.flushing = append(x.flushing, e)
	}
}

// committed forgets entries after the horizon that are in the database now, but for those that are to be kept.
func (x *endIndex) committed(keep func(endEntry) bool) {
	for _, e := range x.flushing {
		if e.end > x.horizon && !keep(e) {
			x.tree.Delete(e)
		}
	}
	clear(x.flushing)
	x.flushing = x.flushing[:0]
}

// Index puts a window of the current key into the index by end, or moves it there. Call it after every change that
// End depends on.
func (s *Windowed[A]) Index(w *Window[A]) {
	end := s.options.End(w)
	if w.indexed {
		if w.end == end {
			return
		}
		s.ends.remove(endEntry{w.end, s.current.key, w.Start})
	}
	w.indexed, w.end = true, end
	s.ends.add(endEntry{end, s.current.key, w.Start})
}

// Due takes the entry with the smallest end out of the index, if that is not after limit, places the store on its key
// and returns the position of its window in Open. Order is by end, then by key bytes, then by start.
func (s *Windowed[A]) Due(limit int64) (k *Windows[A], i int, key string, ok bool, err error) {
	for {
		first, found, err := s.ends.first(s.space, limit, s.options.Ahead)
		if err != nil || !found {
			return nil, 0, "", false, err
		}
		s.ends.remove(first)
		s.due = append(s.due[:0], first.key...)
		k, err := s.Place(s.due)
		if err != nil {
			return nil, 0, "", false, err
		}
		for i := range k.Open {
			if w := &k.Open[i]; w.Start == first.start && w.end == first.end {
				w.indexed = false
				return k, i, first.key, true, nil
			}
		}
	}
}

// first returns the entry with the smallest end, if that is not after limit. It reads ahead, if it has to read.
func (x *endIndex) first(space Space, limit, ahead int64) (endEntry, bool, error) {
	if limit > x.horizon {
		if err := x.read(space, min(limit, math.MaxInt64-ahead)+ahead); err != nil {
			return endEntry{}, false, err
		}
	}
	first, found := x.tree.Min()
	return first, found && first.end <= limit, nil
}

// after returns the first entry behind those of a time and a key.
func (x *endIndex) after(end int64, key string) (found endEntry, ok bool) {
	x.tree.Ascend(endEntry{end: end, key: key, start: math.MaxInt64}, func(e endEntry) bool {
		found, ok = e, true
		return false
	})
	return found, ok
}

// read reads the index up to a new horizon.
func (x *endIndex) read(space Space, horizon int64) error {
	from := append(append([]byte(nil), space.Prefix...), familyEnd)
	to := append([]byte(nil), from...)
	n := len(from)
	if x.horizon != NoTime {
		from = appendOrdered(from, x.horizon+1)
	}
	if horizon < math.MaxInt64 {
		to = appendOrdered(to, horizon+1)
	} else {
		to[len(to)-1]++
	}
	x.horizon = horizon
	return space.Backend.Scan(from, to, func(row, _ []byte) (bool, error) {
		e, err := decodeEnd(row[n:])
		if err != nil {
			return false, fmt.Errorf("store %q: read the index of times: %w", space.Name, err)
		}
		x.tree.Set(e)
		return true, nil
	})
}

// appendEnd appends the row of an entry.
func appendEnd(dst []byte, e endEntry) []byte {
	dst = appendOrdered(append(dst, familyEnd), e.end)
	dst = binary.AppendUvarint(dst, uint64(len(e.key)))
	return appendOrdered(append(dst, e.key...), e.start)
}

func decodeEnd(row []byte) (e endEntry, err error) {
	if len(row) < 8 {
		return e, errRowLength
	}
	e.end = ordered(row)
	length, n := binary.Uvarint(row[8:])
	if n <= 0 || length > math.MaxInt32 || len(row) != 8+n+int(length)+8 {
		return e, errRowLength
	}
	row = row[8+n:]
	e.key, e.start = string(row[:length]), ordered(row[length:])
	return e, nil
}

func (s *Windowed[A]) emitEnd(emit func(key, value []byte) error, end int64, key string, start int64, value []byte) error {
	if s.options.End == nil {
		return nil
	}
	s.row = appendEnd(s.row[:0], endEntry{end, key, start})
	return emit(s.row, value)
}
