package state

import (
	"fmt"
	"iter"
	"sort"
)

// items are the collected values of a key, ordered by time and arrival. Each is kept once, also if many windows hold it.
type items struct {
	list []item
	// gone are items that were dropped but are in the database.
	gone  []itemID
	next  int64 // number of the next item
	bytes int   // that the list takes
}

type itemID struct{ at, number int64 }

type item struct {
	itemID
	data   []byte
	stored bool
}

const itemOverhead = 56

// NextItem returns the number that the next item of the current key gets.
func (k *Windows[A]) NextItem() int64 {
	if k.rest == nil {
		return 0
	}
	return k.rest.items.next
}

// Items yields the items with from <= at <= to and since <= number < until, by time, then by arrival. They must not be
// kept or changed.
func (k *Windows[A]) Items(from, to, since, until int64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if k.rest == nil {
			return
		}
		list := k.rest.items.list
		i := sort.Search(len(list), func(i int) bool { return list[i].at >= from })
		for ; i < len(list) && list[i].at <= to; i++ {
			if n := list[i].number; n >= since && n < until && !yield(list[i].data) {
				return
			}
		}
	}
}

// AddItem keeps data, which it copies, for the current key.
func (s *Windowed[A]) AddItem(at int64, data []byte) {
	e := s.current
	x := &e.value.more().items
	it := item{itemID: itemID{at, x.next}, data: append([]byte(nil), data...)}
	x.next++
	i := len(x.list)
	for i > 0 && x.list[i-1].at > at {
		i--
	}
	x.list = append(x.list, item{})
	copy(x.list[i+1:], x.list[i:])
	x.list[i] = it
	x.bytes += len(data) + itemOverhead
	s.resize(e)
	s.cache.touch(e)
}

// DropItems drops the items of the current key that lie before the first open window, or all if there is none. To be
// called after windows were removed.
func (s *Windowed[A]) DropItems() {
	e := s.current
	k := &e.value
	x := &k.more().items
	n := len(x.list)
	if len(k.Open) > 0 {
		n = sort.Search(n, func(i int) bool { return x.list[i].at >= k.Open[0].Start })
	}
	if n > 0 {
		s.dropItems(e, n)
	}
	x.next = s.nextItem(k)
}

// nextItem returns the number of the next item. It depends on stored data alone, so that a task that starts again
// writes the same rows as one that went on.
func (s *Windowed[A]) nextItem(k *Windows[A]) int64 {
	var next int64
	list := k.rest.items.list
	for i := range list {
		next = max(next, list[i].number+1)
	}
	if s.options.MarksItems {
		for i := range k.Open { // of items that may not be there yet
			next = max(next, k.Open[i].Mark)
		}
	}
	return next
}

func (s *Windowed[A]) dropItems(e *entry[Windows[A]], n int) {
	x := &e.value.more().items
	for _, it := range x.list[:n] {
		if it.stored {
			x.gone = append(x.gone, it.itemID)
		}
		x.bytes -= len(it.data) + itemOverhead
	}
	rest := copy(x.list, x.list[n:])
	clear(x.list[rest:])
	x.list = x.list[:rest]
	if rest == 0 {
		x.list = nil // it may have been long
	}
	s.resize(e)
	s.cache.touch(e)
}

func (s *Windowed[A]) loadItems(key []byte) (items, error) {
	var x items
	s.from = rowKey(append(s.from[:0], s.space.Prefix...), familyItem, key)
	s.to = afterOrdered(append(s.to[:0], s.from...))
	err := s.space.Backend.Scan(s.from, s.to, func(row, value []byte) (bool, error) {
		if len(row) != len(s.from)+16 {
			return false, fmt.Errorf("store %q: decode an item of key %s: %w", s.name, s.space.shown(key), errRowLength)
		}
		id := itemID{ordered(row[len(s.from):]), ordered(row[len(s.from)+8:])}
		x.list = append(x.list, item{id, append([]byte(nil), value...), true})
		x.bytes += len(value) + itemOverhead
		return true, nil
	})
	return x, err
}

func (s *Windowed[A]) flushItems(emit func(key, value []byte) error, key string, x *items) error {
	if len(x.gone) == 0 && len(x.list) == 0 {
		return nil
	}
	row := func(id itemID) []byte {
		s.row = rowKey(s.row[:0], familyItem, key)
		s.row = appendOrdered(appendOrdered(s.row, id.at), id.number)
		return s.row
	}
	for _, id := range x.gone {
		if err := emit(row(id), nil); err != nil {
			return err
		}
	}
	x.gone = x.gone[:0]
	for i := range x.list {
		it := &x.list[i]
		if it.stored {
			continue
		}
		if err := emit(row(it.itemID), nonNil(it.data)); err != nil {
			return err
		}
		it.stored = true
	}
	return nil
}

// nonNil keeps an empty encoding apart from a deletion.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
