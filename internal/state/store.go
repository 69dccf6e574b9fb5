package state

import "time"

// Store is the interface of a checkpoint to a store of one task. It is implemented by the types of this package and used by
// the runtime; a program has no use for it.
type Store interface {
	// Name returns the name of the store, unique within its stream.
	Name() string

	// DirtyBytes returns roughly how much memory the changes since the last Flush take.
	DirtyBytes() int64

	// Flush encodes the changes since the last Flush and calls emit for each: a nil value deletes. The slices are
	// valid only during the call. The order is that of the first change of each key.
	Flush(emit func(key, value []byte) error) error

	// Committed says that the changes of the last Flush are in the database.
	Committed()

	// Discard forgets all changes that are not in the database, flushed or not.
	Discard()
}

// Cause is a store whose entries make an operator change other state when their time has come, and are removed then. At least
// once, the removal is written to the changelog after those changes, so that a crash in between repeats them.
type Cause interface {
	Store
	// WrittenLast reports whether that is so for this store.
	WrittenLast() bool
}

// Space is the part of a task's database that belongs to one store.
type Space struct {
	// Name is the name of the store.
	Name string
	// Backend is the database of the task.
	Backend Backend
	// Prefix begins every key of the store.
	Prefix []byte
	// CacheBytes is how much memory the cache may take. Changes that are not flushed come on top.
	CacheBytes int64
	// Now returns the time of the clock. If it is nil, no record is too far ahead of it.
	Now func() time.Time
	// ShowKey returns the text of an encoded key in errors. nil shows the bytes.
	ShowKey func(key []byte) string
	// Limits bound how much the store reads or writes at a time.
	Limits Limits
}
