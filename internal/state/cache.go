package state

// cache is the write-back cache in front of a store: decoded values by encoded key.
//
// Entries that were changed stay until they are in the database. Of the others as many stay as fit; the clock
// algorithm (second chance) picks those that go.
type cache[E any] struct {
	entries  map[string]*entry[E]
	ring     []*entry[E] // all entries, in the order of the clock
	hand     int
	bytes    int64 // sum of the sizes of the entries
	limit    int64
	dirty    []*entry[E] // changed since the last flush, in order of first change
	flushing []*entry[E] // flushed, not in the database yet
	// dirtyBytes is the sum of the sizes of dirty.
	dirtyBytes int64
}

// entry is one key of a store.
type entry[E any] struct {
	key   string
	size  int64
	slot  int32 // index in ring; with the next two in one word, as there are many entries
	state entryState
	used  bool // since the hand of the clock came by
	value E
}

type entryState uint8

const (
	clean    entryState = iota
	dirty               // in cache.dirty
	flushing            // in cache.flushing, unchanged since
	both                // in cache.flushing, and changed again since: in cache.dirty too
)

// entryOverhead is the memory of an entry beside its key and value: the map's slot, the struct, the ring's pointer.
const entryOverhead = 96

func newCache[E any](limit int64) cache[E] {
	return cache[E]{entries: map[string]*entry[E]{}, limit: limit}
}

// get returns the entry of key, or nil.
func (c *cache[E]) get(key []byte) *entry[E] {
	e := c.entries[string(key)]
	if e != nil {
		e.used = true
	}
	return e
}

// add makes an entry for a key that has none.
func (c *cache[E]) add(key []byte, value E, size int) *entry[E] {
	// A few steps only: a cache full of changes must not be walked for every new key.
	c.evict(4)
	e := &entry[E]{key: string(key), value: value, size: int64(size + len(key) + entryOverhead), slot: int32(len(c.ring))}
	c.entries[e.key] = e
	c.ring = append(c.ring, e)
	c.bytes += e.size
	return e
}

// evict moves the hand of the clock by at most steps, until the cache is small enough again. If all entries that the
// hand comes by are in use, one of them goes all the same: else the cache would grow as long as that is so.
func (c *cache[E]) evict(steps int) {
	var spared *entry[E]
	entries := len(c.ring)
	for ; c.bytes > c.limit && len(c.ring) > 0 && steps > 0; steps-- {
		if c.hand >= len(c.ring) {
			c.hand = 0
		}
		e := c.ring[c.hand]
		switch {
		case e.state != clean:
			c.hand++
		case e.used:
			e.used = false
			spared = e
			c.hand++
		default:
			c.remove(e)
		}
	}
	if spared != nil && len(c.ring) == entries && c.bytes > c.limit {
		c.remove(spared)
	}
}

// remove takes an entry in any state out. The last of the ring takes its place.
func (c *cache[E]) remove(e *entry[E]) {
	last := c.ring[len(c.ring)-1]
	c.ring[e.slot], last.slot = last, e.slot
	c.ring[len(c.ring)-1] = nil
	c.ring = c.ring[:len(c.ring)-1]
	delete(c.entries, e.key)
	c.bytes -= e.size
}

// resize notes the new size of an entry's value, for instance after it was encoded.
func (c *cache[E]) resize(e *entry[E], size int) {
	n := int64(size + len(e.key) + entryOverhead)
	c.bytes += n - e.size
	if e.state == dirty || e.state == both {
		c.dirtyBytes += n - e.size
	}
	e.size = n
}

// touch marks an entry as changed.
func (c *cache[E]) touch(e *entry[E]) {
	switch e.state {
	case dirty, both:
		return
	case clean:
		e.state = dirty
	case flushing:
		e.state = both
	}
	c.dirty = append(c.dirty, e)
	c.dirtyBytes += e.size
}

// flush calls f for each changed entry. Those become clean when committed is called.
func (c *cache[E]) flush(f func(e *entry[E]) error) error {
	for i, e := range c.dirty {
		if err := f(e); err != nil {
			c.flushing = append(c.flushing, c.dirty[:i]...)
			c.dirty = c.dirty[i:]
			return err
		}
		e.state = flushing
	}
	c.flushing = append(c.flushing, c.dirty...)
	clear(c.dirty)
	c.dirty = c.dirty[:0]
	c.dirtyBytes = 0
	return nil
}

func (c *cache[E]) committed() {
	for _, e := range c.flushing {
		switch e.state {
		case both:
			e.state = dirty
		case flushing:
			e.state = clean
		}
	}
	clear(c.flushing)
	c.flushing = c.flushing[:0]
	c.evict(2 * len(c.ring)) // once to take the second chances, once to take the entries
}

// discard takes out every entry that differs from the database.
func (c *cache[E]) discard() {
	for _, changed := range [][]*entry[E]{c.dirty, c.flushing} {
		for _, e := range changed {
			if e.state != clean { // else it was in both and is gone already
				e.state = clean
				c.remove(e)
			}
		}
	}
	clear(c.dirty)
	clear(c.flushing)
	c.dirty, c.flushing, c.dirtyBytes = c.dirty[:0], c.flushing[:0], 0
}
