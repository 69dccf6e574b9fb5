package database

import (
	"errors"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
)

// watchedBackend notes when the database of a task is found to be damaged, by any read: so the worker knows it, also if the error
// has gone through code of users.
type watchedBackend struct {
	state.Backend
	damage error
}

func (b *watchedBackend) note(err error) error {
	if b.damage == nil && errors.Is(err, weir.ErrCorruptState) {
		b.damage = err
	}
	return err
}

// Get implements [state.Backend].
func (b *watchedBackend) Get(dst, key []byte) ([]byte, error) {
	value, err := b.Backend.Get(dst, key)
	if err != nil {
		return value, b.note(err)
	}
	return value, nil
}

// Scan implements [state.Backend].
func (b *watchedBackend) Scan(from, to []byte, f func(key, value []byte) (bool, error)) error {
	return b.note(b.Backend.Scan(from, to, f))
}

// ScanBack implements [state.Backend].
func (b *watchedBackend) ScanBack(from, to []byte, f func(key, value []byte) (bool, error)) error {
	return b.note(b.Backend.ScanBack(from, to, f))
}

// NewBatch implements [state.Backend].
func (b *watchedBackend) NewBatch() state.Batch { return &watchedBatch{b.Backend.NewBatch(), b} }

// Load implements [state.Backend].
func (b *watchedBackend) Load(entries *state.Entries) error { return b.note(b.Backend.Load(entries)) }

// Sync implements [state.Backend].
func (b *watchedBackend) Sync() error { return b.note(b.Backend.Sync()) }

type watchedBatch struct {
	state.Batch
	backend *watchedBackend
}

// Commit implements [state.Batch].
func (b *watchedBatch) Commit(sync bool) error { return b.backend.note(b.Batch.Commit(sync)) }
