package state

import "errors"

// ErrNotFound is returned by Backend.Get for a key that is not there.
var ErrNotFound = errors.New("key not found")

// ErrClosed is returned by Backend.Read when the backend was closed.
var ErrClosed = errors.New("database is closed")

// Backend is the sorted key-value database under the stores of one task. Keys are ordered bytewise
// and are not empty: to set or delete an empty key is an error.
//
// It is used by one goroutine, the worker that runs the task; only Read may be called by others.
type Backend interface {
	// Get appends the value of key to dst and returns the extended slice, or ErrNotFound.
	Get(dst, key []byte) ([]byte, error)

	// Scan calls f for every entry with from <= key < to, in key order, until f returns false or an error. A nil to
	// means no upper bound. key and value are valid only during the call.
	Scan(from, to []byte, f func(key, value []byte) (bool, error)) error

	// ScanBack is Scan in descending order.
	ScanBack(from, to []byte, f func(key, value []byte) (bool, error)) error

	// Read calls f with a view of all batches that were committed before the call. Any goroutine may call it at any time: the worker
	// goes on meanwhile. Close, and in memory a commit, wait until f returns, so f must be short. It returns the error of f, or ErrClosed.
	Read(f func(Reader) error) error

	// NewBatch returns an empty batch of changes.
	NewBatch() Batch

	// Load applies changes at once and makes them durable, with everything before them. It sorts them. It is much
	// cheaper than a Batch for thousands of changes, and dearer for a few.
	Load(entries *Entries) error

	// Sync makes everything that was committed so far durable.
	Sync() error

	// Size returns an estimate of the space that the database takes, in bytes.
	Size() int64

	// Close closes the database and leaves its content where it is.
	Close() error
}

// Reader is the view of a database that [Backend.Read] gives to its function. One goroutine uses it.
type Reader interface {
	// Get and Scan are those of [Backend].
	Get(dst, key []byte) ([]byte, error)
	Scan(from, to []byte, f func(key, value []byte) (bool, error)) error
}

// Batch collects changes that take effect together or not at all.
type Batch interface {
	// Set and Delete copy their arguments.
	Set(key, value []byte) error
	Delete(key []byte) error
	// Len returns the size of the batch in bytes.
	Len() int
	// Commit applies the changes. Without sync a crash of the process or the machine may lose the batch, together with
	// every later one; it never tears it.
	Commit(sync bool) error
	// Close releases the batch, committed or not.
	Close() error
}
