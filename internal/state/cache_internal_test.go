package state

import (
	"fmt"
	"testing"
)

// fillCache adds n clean entries named by number.
func fillCache(c *cache[int], from, n int) {
	for i := range n {
		c.add(fmt.Append(nil, from+i), from+i, 0)
	}
}

func entrySize(key int) int64 { return int64(len(fmt.Sprint(key)) + entryOverhead) }

// checkCache checks that the books are in order.
func checkCache(t *testing.T, c *cache[int]) {
	t.Helper()
	var bytes, changed int64
	for i, e := range c.ring {
		if int(e.slot) != i || c.entries[e.key] != e {
			t.Fatalf("entry %q: slot %d at %d of the ring", e.key, e.slot, i)
		}
		bytes += e.size
	}
	for _, e := range c.dirty {
		changed += e.size
	}
	if len(c.entries) != len(c.ring) || bytes != c.bytes || changed != c.dirtyBytes {
		t.Fatalf("%d entries, %d in the ring; %d bytes, counted %d; %d dirty, counted %d",
			len(c.entries), len(c.ring), bytes, c.bytes, changed, c.dirtyBytes)
	}
}

func TestEvictionGivesASecondChance(t *testing.T) {
	c := newCache[int](4 * entrySize(1))
	fillCache(&c, 0, 5)
	if c.get([]byte("1")) == nil {
		t.Fatal("entry 1 is gone before there was a need")
	}
	fillCache(&c, 5, 1)
	if c.get([]byte("0")) != nil {
		t.Error("entry 0 was not used and stays")
	}
	if c.entries["1"] == nil {
		t.Error("entry 1 was used and is gone")
	}
	checkCache(t, &c)
}

func TestEvictionLeavesWhatIsNotInTheDatabase(t *testing.T) {
	c := newCache[int](0)
	fillCache(&c, 0, 1)
	c.touch(c.get([]byte("0")))
	fillCache(&c, 1, 100)
	if c.entries["0"] == nil {
		t.Fatal("a dirty entry was evicted")
	}
	checkCache(t, &c)
	if err := c.flush(func(*entry[int]) error { return nil }); err != nil {
		t.Fatal(err)
	}
	fillCache(&c, 101, 100)
	if c.entries["0"] == nil {
		t.Fatal("an entry that was flushed but not committed was evicted")
	}
	checkCache(t, &c)
	c.committed()
	if len(c.entries) != 0 || c.bytes != 0 {
		t.Errorf("%d entries of %d bytes stay in a cache of none", len(c.entries), c.bytes)
	}
}

// Whatever is read or written in between, a cache does not grow beyond its limit by more than what is dirty and a part
// that the number of steps per new entry allows.
func TestACacheStaysNearItsLimitWhileItsEntriesAreInUse(t *testing.T) {
	const limit = 1000
	c := newCache[int](limit * entrySize(10000))
	for i := 10000; i < 30000; i++ {
		fillCache(&c, i, 1)
		for j := range 20 { // recently used ones, so that most of those under the hand were
			if len(c.ring) > 0 {
				c.get([]byte(c.ring[(c.hand+j)%len(c.ring)].key))
			}
		}
		if c.bytes > 2*c.limit {
			t.Fatalf("%d bytes after %d entries, the limit is %d", c.bytes, i-10000, c.limit)
		}
	}
	checkCache(t, &c)
}
