package stores

import (
	"bytes"
	"errors"
	"slices"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/state"
)

// Flush says which changes to flush.
type Flush struct {
	// Millis is the time of the changelog records, in milliseconds.
	Millis int64
	// Starting says that the checkpoint commits where the task begins with its input.
	Starting bool
	// Which chooses the stores.
	Which func(*Store) bool
}

// All chooses all stores.
func All(*Store) bool { return true }

// AllButCauses chooses the stores with entries that cause no other changes.
func AllButCauses(s *Store) bool { return !s.isCause() }

// isCause reports whether the entries of a store cause other changes.
func (s *Store) isCause() bool {
	cause, ok := s.store.(state.Cause)
	return ok && cause.WrittenLast()
}

// Causes returns functions that choose one cause each, in the order in which the causes have to be flushed: those that come last in the
// topology first, as a cause may have changed the next one.
func (s *Set) Causes() (each []func(*Store) bool) {
	var opened []int
	for _, list := range [][]Store{s.logged, s.unlogged} {
		for i := range list {
			if list[i].isCause() {
				opened = append(opened, list[i].opened)
			}
		}
	}
	slices.Sort(opened) // from the end of the topology on
	for _, n := range opened {
		each = append(each, func(s *Store) bool { return s.opened == n })
	}
	return each
}

// Begin begins a checkpoint. It returns the batch for its changes, which the caller closes; nil if the task has no stores.
func (s *Set) Begin() state.Batch {
	if s.db == nil {
		return nil
	}
	s.written.Reset()
	return s.db.Backend.NewBatch()
}

// Flush appends the changes in some stores to the changelogs and to the batch.
func (s *Set) Flush(batch state.Batch, f Flush) error {
	record := broker.Record{Headers: s.headers(s.Input.Next), Millis: f.Millis}
	var key []byte
	for i := range s.logged {
		store := &s.logged[i]
		if !f.Which(store) {
			continue
		}
		store.flushed, store.largest = false, 0
		emit := func(k, v []byte) error {
			store.flushed = true
			store.appended++
			record.Key, record.Value = k, v
			if n := len(k) + len(v); n > store.largest {
				store.largest, store.largestKey = n, append(store.largestKey[:0], k...)
			}
			if err := store.changelog.Append(s.config.Partition, &record); err != nil {
				if refused, ok := errors.AsType[*weir.ProduceError](err); ok {
					err = &weir.StateError{Store: store.Name, Key: bytes.Clone(k), KeyText: store.ShowKey(k), Size: len(k) + len(v), Err: refused}
				}
				return err
			}
			key = append(append(key[:0], store.prefix...), k...)
			if v == nil {
				return batch.Delete(key)
			}
			return batch.Set(key, v)
		}
		if err := s.flushStanding(store, batch, f); err != nil {
			return err
		}
		if _, ok := store.store.(*state.Tokens); s.emptying && !ok { // committed checkpoints of sinks count
			if err := store.empty(s.db.Backend, emit); err != nil {
				return err
			}
		}
		if err := store.store.Flush(emit); err != nil {
			return err
		}
	}
	return s.flushUnlogged(batch, f.Which)
}
