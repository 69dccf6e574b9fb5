package state

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// Read opens a snapshot of the database, which keeps nobody waiting but Close.
func (b *pebbleBackend) Read(f func(Reader) error) (err error) {
	b.reads.RLock()
	defer b.reads.RUnlock()
	if b.shut {
		return b.wrap("read", ErrClosed)
	}
	if err := b.health.err(); err != nil {
		return b.wrap("read", err)
	}
	snapshot := b.db.NewSnapshot()
	defer func() { err = errors.Join(err, b.wrap("read", snapshot.Close())) }()
	return f(pebbleReader{b, snapshot})
}

// pebbleReader is a view of a database.
type pebbleReader struct {
	backend  *pebbleBackend
	snapshot *pebble.Snapshot
}

func (r pebbleReader) Get(dst, key []byte) ([]byte, error) {
	value, closer, err := r.snapshot.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return dst, ErrNotFound
	}
	if err != nil {
		return dst, r.backend.wrap("read", err)
	}
	dst = append(dst, value...)
	return dst, r.backend.wrap("read", closer.Close())
}

func (r pebbleReader) Scan(from, to []byte, f func(key, value []byte) (bool, error)) (err error) {
	if to != nil && bytes.Compare(from, to) >= 0 {
		return nil
	}
	it, err := r.snapshot.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return r.backend.wrap("read", err)
	}
	defer func() { err = errors.Join(err, r.backend.wrap("read", it.Close())) }()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return r.backend.wrap("read", err)
		}
		if more, err := f(it.Key(), value); err != nil || !more {
			return err
		}
	}
	return r.backend.wrap("read", it.Error())
}
