package operator

import (
	"hash/maphash"
	"iter"
	"sync/atomic"
)

// sharedRows finds rows by the bytes of their keys. One goroutine writes; any number read at the same time, and take no lock
// and write to no memory that others read: a lookup costs the same however many goroutines look up.
//
// It is a hash table of chains. A row is never changed once it can be found: one that takes its place is linked in instead of
// it by one atomic store, so that a reader meets the one or the other. Readers that are on a row when it is unlinked go on from
// there; the garbage collector knows when they are gone. Rows are copied when the table grows, for the same reason.
type sharedRows[V any] struct {
	seed    maphash.Seed
	buckets atomic.Pointer[[]atomic.Pointer[sharedRow[V]]]
	count   atomic.Int64
}

type sharedRow[V any] struct {
	next  atomic.Pointer[sharedRow[V]]
	hash  uint64
	key   string
	value V
}

// firstBuckets is how many chains an empty table has: a power of two.
const firstBuckets = 64

func newSharedRows[V any]() *sharedRows[V] {
	t := &sharedRows[V]{seed: maphash.MakeSeed()}
	buckets := make([]atomic.Pointer[sharedRow[V]], firstBuckets)
	t.buckets.Store(&buckets)
	return t
}

// get returns the row of a key, or nil. It must not be changed. Any goroutine may call it.
func (t *sharedRows[V]) get(key []byte) *V {
	hash := maphash.Bytes(t.seed, key)
	buckets := *t.buckets.Load()
	for row := buckets[hash&uint64(len(buckets)-1)].Load(); row != nil; row = row.next.Load() {
		if row.hash == hash && row.key == string(key) {
			return &row.value
		}
	}
	return nil
}

// link returns the link that holds the row of a key, or the last one of the chain.
func (t *sharedRows[V]) link(hash uint64, key []byte) *atomic.Pointer[sharedRow[V]] {
	buckets := *t.buckets.Load()
	link := &buckets[hash&uint64(len(buckets)-1)]
	for row := link.Load(); row != nil && (row.hash != hash || row.key != string(key)); row = link.Load() {
		link = &row.next
	}
	return link
}

// set sets the row of a key. Only the writer calls it.
func (t *sharedRows[V]) set(key []byte, v V) {
	hash := maphash.Bytes(t.seed, key)
	link := t.link(hash, key)
	row := &sharedRow[V]{hash: hash, value: v}
	if old := link.Load(); old != nil {
		row.key = old.key
		row.next.Store(old.next.Load())
		link.Store(row)
		return
	}
	row.key = string(key)
	link.Store(row)
	if n := t.count.Add(1); n > int64(len(*t.buckets.Load())/2) {
		t.grow()
	}
}

// delete deletes the row of a key, if there is one. Only the writer calls it.
func (t *sharedRows[V]) delete(key []byte) {
	link := t.link(maphash.Bytes(t.seed, key), key)
	if old := link.Load(); old != nil {
		link.Store(old.next.Load())
		t.count.Add(-1)
	}
}

// grow doubles the number of chains. A concurrent reader finds everything in the old ones.
func (t *sharedRows[V]) grow() {
	old := *t.buckets.Load()
	buckets := make([]atomic.Pointer[sharedRow[V]], 2*len(old))
	for i := range old {
		for row := old[i].Load(); row != nil; row = row.next.Load() {
			link := &buckets[row.hash&uint64(len(buckets)-1)]
			moved := &sharedRow[V]{hash: row.hash, key: row.key, value: row.value}
			moved.next.Store(link.Load())
			link.Store(moved)
		}
	}
	t.buckets.Store(&buckets)
}

// all returns the rows, in no order. Only the writer calls it.
func (t *sharedRows[V]) all() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		buckets := *t.buckets.Load()
		for i := range buckets {
			for row := buckets[i].Load(); row != nil; row = row.next.Load() {
				if !yield(row.key, row.value) {
					return
				}
			}
		}
	}
}
