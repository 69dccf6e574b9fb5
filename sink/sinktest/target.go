package sinktest

import (
	"testing"

	"github.com/weirstreams/weir/sink"
)

// Target is a sink under test, with the place that it writes to.
type Target[K, V any] struct {
	// New makes a sink that takes at least ten records before it writes any early. It writes to a place, which is empty when New is called with its name for the first time. It is called again for each process
	// that a case starts. The name of a place has lower-case letters, digits and underscores.
	New func(tb testing.TB, place string) sink.Sink[K, V]
	// Record makes the key and the value of an item.
	Record func(i Item) (K, V)
	// Read returns the items that a reader of a place sees, in any order.
	Read func(tb testing.TB, place string) []Item

	// Idempotent says that a plain sink writes a record that is processed again once, as one that names its rows after keys does.
	Idempotent bool
	// NoNullKeys and NoNullValues say that the target cannot take such records. The sink has to return an error for them, from Add, Flush
	// or Prepare.
	NoNullKeys, NoNullValues bool
	// Records is the size of the case with many records. 0 means 100,000.
	Records int

	// Refused makes a record that the target refuses, while it takes others. nil skips the case.
	Refused func() (K, V)
	// Push makes the target of a place ask for time until the returned function is called: the sink has to return a
	// weir.RetryLaterError. nil skips the case.
	Push func(tb testing.TB, place string) (end func())
	// Break makes the target of a place fail until the returned function is called: it is down, or the network is. nil skips the case.
	Break func(tb testing.TB, place string) (end func())
	// Leftovers returns how many pieces of prepared work a place has that are not visible: files, rows, uploads. nil skips the case.
	Leftovers func(tb testing.TB, place string) int
	// Secrets are passwords and tokens of sinks that New and Unreachable make: no error and no text of a sink has them.
	Secrets []string
	// Unreachable makes a sink with Secrets that cannot connect. nil skips the case.
	Unreachable func(tb testing.TB) sink.Sink[K, V]
}

// Item is the content of a record. Kits make items with different contents, so that each can be told from the others.
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
