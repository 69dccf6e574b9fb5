package sourcetest

import (
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
)

// System is a source under test, with the place that it reads.
type System[K, V any] struct {
	// New makes a source that reads a place. It is called again for each process that a case starts. The name of a place has
	// lower-case letters, digits and underscores.
	New func(tb testing.TB, place string) source.Source[K, V]
	// Fill puts items into a place, in order, behind those that are there. It is called before New, and again if Grows is set.
	Fill func(tb testing.TB, place string, items []Item)
	// Item returns the content of a record. It is called from several goroutines, because splits are read at the same time.
	Item func(r weir.Record[K, V]) Item

	// Bounded says that the splits have ends: Read returns io.EOF there.
	Bounded bool
	// Unordered says that items of one Fill may be in several splits, so that they have no order as a whole. Those of one split are in the order
	// of Fill all the same.
	Unordered bool
	// Once says that the system does not give acknowledged records again, as a queue: only those behind the last acknowledged position
	// can be read again. Else each position can be read from at any time.
	Once bool
	// Grows says that a source finds items that come later: in the open splits, or in new ones.
	Grows bool
	// Acknowledged returns how many items of a place the system takes for done. nil says that the source acknowledges nothing.
	Acknowledged func(tb testing.TB, place string) int
	// NoNullKeys and NoNullValues say that the system has no such records.
	NoNullKeys, NoNullValues bool
	// Records is the size of the case with many records. 0 means 20,000.
	Records int
	// Idle is how long nothing must come from a split without an end until it counts as read, when as many records have come as were filled in. 0 means
	// 1 s. As long as some are missing, a case waits longer.
	Idle time.Duration
	// Secrets are passwords and tokens of sources that New and Unreachable make: no error and no text of a source has them.
	Secrets []string
	// Unreachable makes a source with Secrets that cannot connect, or cannot open its splits. nil skips the case.
	Unreachable func(tb testing.TB) source.Source[K, V]
}

// Item is the content of a record. The kit makes items with different contents, so that each can be told from the others.
type Item struct {
	Key, Value         string
	NullKey, NullValue bool
}

// Pointers returns key and value as pointers, which are nil where the item is null.
func (i Item) Pointers() (key, value *string) {
	if !i.NullKey {
		key = &i.Key
	}
	if !i.NullValue {
		value = &i.Value
	}
	return key, value
}

// OfPointers returns the item with such a key and value.
func OfPointers(key, value *string) (i Item) {
	if i.NullKey = key == nil; !i.NullKey {
		i.Key = *key
	}
	if i.NullValue = value == nil; !i.NullValue {
		i.Value = *value
	}
	return i
}
