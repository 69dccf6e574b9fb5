package state

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/weirstreams/weir"
)

// pebbleBackend is the Backend over one Pebble database.
type pebbleBackend struct {
	dir     string
	db      *pebble.DB
	options *pebble.Options
	retire  func()       // is called before the database is closed
	release func() error // gives up the locks
	closed  bool
	failed  error // why the database cannot be used any more
	health  *health
	// reads is held for reading by Read, and keeps Close from the database until then; shut is set under it.
	reads sync.RWMutex
	shut  bool

	// idle is an iterator that the next Scan may use. An iterator sees the database as it was when it was made, so it
	// lives until the next commit: between two checkpoints, scans pay for seeking only.
	idle    *pebble.Iterator
	commits uint64
	scans   int
}

func (b *pebbleBackend) Get(dst, key []byte) ([]byte, error) {
	if err := b.usable(); err != nil {
		return dst, b.wrap("get", err)
	}
	value, closer, err := b.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return dst, ErrNotFound
	}
	if err != nil {
		return dst, b.wrap("get", err)
	}
	dst = append(dst, value...)
	if err := closer.Close(); err != nil {
		return dst, b.wrap("get", err)
	}
	return dst, nil
}

// Scan sees the database as it was when it began, also if f commits changes.
func (b *pebbleBackend) Scan(from, to []byte, f func(key, value []byte) (bool, error)) error {
	return b.scan(from, to, (*pebble.Iterator).First, (*pebble.Iterator).Next, f)
}

// ScanBack sees the database as it was when it began, also if f commits changes.
func (b *pebbleBackend) ScanBack(from, to []byte, f func(key, value []byte) (bool, error)) error {
	return b.scan(from, to, (*pebble.Iterator).Last, (*pebble.Iterator).Prev, f)
}

func (b *pebbleBackend) scan(
	from, to []byte, first, next func(*pebble.Iterator) bool, f func(key, value []byte) (bool, error),
) (err error) {
	if err := b.usable(); err != nil {
		return b.wrap("scan", err)
	}
	if to != nil && bytes.Compare(from, to) >= 0 {
		return nil
	}
	if len(from) == 0 {
		from = nil // Pebble does not expect a bound that is there and empty
	}
	it := b.idle
	b.idle = nil
	if it != nil {
		it.SetBounds(from, to)
	} else if it, err = b.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to}); err != nil {
		return b.wrap("scan", err)
	}
	commits := b.commits
	b.scans++
	defer func() {
		b.scans--
		if err == nil && b.idle == nil && b.commits == commits {
			b.idle = it
		} else if closeErr := it.Close(); err == nil {
			err = b.wrap("scan", closeErr)
		}
	}()
	for ok := first(it); ok; ok = next(it) {
		value, err := it.ValueAndErr()
		if err != nil {
			return b.wrap("scan", err)
		}
		if more, err := f(it.Key(), value); err != nil || !more {
			return err
		}
	}
	return b.wrap("scan", it.Error())
}

func (b *pebbleBackend) NewBatch() Batch { return &pebbleBatch{backend: b, batch: b.db.NewBatch()} }

func (b *pebbleBackend) Sync() error { return b.wrap("sync", b.syncLog()) }

// syncLog writes an empty entry to the log of changes and waits until the log is durable up to it.
func (b *pebbleBackend) syncLog() (err error) {
	if err := b.usable(); err != nil {
		return err
	}
	defer b.recoverFailure(&err)
	return errors.Join(b.db.LogData(nil, pebble.Sync), b.health.guard.failure())
}

// Size counts the files of the database. It takes Pebble's locks: call it for metrics, not per record.
func (b *pebbleBackend) Size() int64 {
	if b.closed {
		return 0
	}
	return int64(b.db.Metrics().DiskSpaceUsage())
}

// Close waits for the flush and the compaction that are running.
func (b *pebbleBackend) Close() error {
	if b.closed {
		return nil
	}
	if b.scans > 0 {
		return b.wrap("close", errors.New("a scan is in progress"))
	}
	b.closed = true
	b.reads.Lock()
	b.shut = true
	b.reads.Unlock()
	b.retire()
	err := b.closeIdle()
	err = errors.Join(err, b.db.Close(), b.release())
	if failure := b.health.guard.failure(); failure != nil {
		err = failure // the rest comes of it
	}
	return b.wrap("close", err)
}

func (b *pebbleBackend) closeIdle() error {
	if b.idle == nil {
		return nil
	}
	err := b.idle.Close()
	b.idle = nil
	return err
}

func (b *pebbleBackend) usable() error {
	if b.closed {
		return errors.New("database is closed")
	}
	if b.failed != nil {
		return b.failed
	}
	return b.health.err()
}

// health has the findings of Pebble's goroutines about a database. Any goroutine may use it.
type health struct {
	guard  *guard
	damage atomic.Pointer[error]
}

func (h *health) corrupt(err error) { h.damage.CompareAndSwap(nil, &err) }

// err returns why the database cannot be used any more, or nil.
func (h *health) err() error {
	if err := h.guard.failure(); err != nil {
		return err
	}
	if err := h.damage.Load(); err != nil {
		return *err
	}
	return nil
}

// recoverFailure turns the panic of pebbleLogger.Fatalf into an error and remembers it.
func (b *pebbleBackend) recoverFailure(err *error) {
	switch r := recover().(type) {
	case nil:
	case pebbleFailure:
		b.failed = r
		*err = r
	default:
		panic(r)
	}
}

// wrap adds the operation and the database to an error.
func (b *pebbleBackend) wrap(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, weir.ErrCorruptState):
		return fmt.Errorf("store %s: %s: %w", b.dir, doing, err)
	case b.health.guard.failure() != nil:
		return fmt.Errorf("store %s: %s: %w", b.dir, doing, b.health.guard.failure())
	case isCorrupt(err):
		return fmt.Errorf("store %s: %s: %w: %w", b.dir, doing, weir.ErrCorruptState, err)
	default:
		return fmt.Errorf("store %s: %s: %w", b.dir, doing, err)
	}
}

// isCorrupt reports whether err says that a file of an open database is damaged. Pebble does not mark the end of a file that is
// shorter than it was.
func isCorrupt(err error) bool {
	return pebble.IsCorruptionError(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

type pebbleBatch struct {
	backend *pebbleBackend
	batch   *pebble.Batch
	done    bool
}

func (b *pebbleBatch) Set(key, value []byte) error {
	if err := b.accepts(key); err != nil {
		return b.backend.wrap("set", err)
	}
	return b.batch.Set(key, value, nil)
}

func (b *pebbleBatch) Delete(key []byte) error {
	if err := b.accepts(key); err != nil {
		return b.backend.wrap("delete", err)
	}
	return b.batch.Delete(key, nil)
}

func (b *pebbleBatch) accepts(key []byte) error {
	switch {
	case b.done:
		return errBatchCommitted
	case len(key) == 0:
		return errEmptyKey
	default:
		return nil
	}
}

func (b *pebbleBatch) Len() int {
	if b.batch == nil {
		return 0
	}
	return b.batch.Len()
}

func (b *pebbleBatch) Commit(sync bool) (err error) {
	defer func() { err = b.backend.wrap("commit", err) }()
	if b.done {
		return errBatchCommitted
	}
	if err := b.backend.usable(); err != nil {
		return err
	}
	b.done = true
	if b.batch.Empty() {
		if sync { // Pebble would return at once, without making earlier batches durable
			return b.backend.syncLog()
		}
		return nil
	}
	b.backend.commits++
	if err := b.backend.closeIdle(); err != nil {
		return err
	}
	defer b.backend.recoverFailure(&err)
	options := pebble.NoSync
	if sync {
		options = pebble.Sync
	}
	return errors.Join(b.batch.Commit(options), b.backend.health.guard.failure())
}

func (b *pebbleBatch) Close() error {
	if b.batch == nil {
		return nil
	}
	batch := b.batch
	b.batch, b.done = nil, true
	return b.backend.wrap("close batch", batch.Close())
}
