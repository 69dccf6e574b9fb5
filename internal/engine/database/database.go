// Package database is the layout of a task's database: the rows of its stores, and the positions that they reflect.
package database

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstreams/weir/internal/state"
)

// formatVersion is the version of the layout below. A database of another version is refused.
//
//	1  first version
const formatVersion = 1

// DB is the database of one task: its stores, each under a prefix, and the positions of the task.
//
//	00 'v'          format version (uvarint)
//	00 's' <store>  number of the store (uvarint, from 1)
//	00 'c' <store>  next offset of the store's changelog (8 bytes, big endian)
//	00 'e' <store>  greatest epoch in the store's changelog up to there, see epoch (16 bytes)
//	00 'f' <store>  format of the store's rows (JSON of StoreFormat); databases of earlier versions do not have it
//	00 'i' <topic>  next offset of the input that the state reflects (8 bytes, big endian)
//	00 't' <topic>  id of the topic that this offset belongs to, if it is known
//	00 'p' <store>  which input the store reflected when that was last said in its changelog, see standing (JSON)
//	00 'o'          there while a restore goes on that had no committed offsets to compare changes with, see doubt.go
//	00 'u'          the input that the stores without a changelog reflect, see keptState (uvarint length, JSON)
//	00 'w'          the changes of the last checkpoint in them, written before its offsets were committed: the input that
//	                they reflect with it, and the changes, see written
//	<number> <key>  a row of the store with that number (uvarint)
type DB struct {
	Backend state.Backend
	watched *watchedBackend // backend
	numbers map[string]uint64
	next    uint64
	scratch []byte
}

func MetaKey(kind byte, name string) []byte { return append([]byte{0, kind}, name...) }

// errFormat says that a database was written by a program with another layout.
var errFormat = errors.New("state was written by another version of the library")

// Open reads the directory of a database, or writes that of an empty one.
func Open(opened state.Backend) (*DB, error) {
	backend := &watchedBackend{Backend: opened}
	d := &DB{Backend: backend, watched: backend, numbers: map[string]uint64{}, next: 1}
	value, err := backend.Get(nil, MetaKey('v', ""))
	switch {
	case errors.Is(err, state.ErrNotFound):
		return d, d.Write(func(b state.Batch) error {
			return b.Set(MetaKey('v', ""), binary.AppendUvarint(nil, formatVersion))
		})
	case err != nil:
		return nil, err
	}
	if v, _ := binary.Uvarint(value); v != formatVersion {
		return nil, fmt.Errorf("%w: format %d, this one knows %d", errFormat, v, formatVersion)
	}
	err = backend.Scan(MetaKey('s', ""), MetaKey('s'+1, ""), func(key, value []byte) (bool, error) {
		n, _ := binary.Uvarint(value)
		d.numbers[string(key[2:])] = n
		d.next = max(d.next, n+1)
		return true, nil
	})
	return d, err
}

func (d *DB) Write(f func(state.Batch) error) error {
	b := d.Backend.NewBatch()
	defer b.Close()
	if err := f(b); err != nil {
		return err
	}
	return b.Commit(false)
}

// Prefix returns the first bytes of every key of a store.
func (d *DB) Prefix(name string) ([]byte, error) {
	n, ok := d.numbers[name]
	if !ok {
		n = d.next
		err := d.Write(func(b state.Batch) error {
			return b.Set(MetaKey('s', name), binary.AppendUvarint(nil, n))
		})
		if err != nil {
			return nil, err
		}
		d.numbers[name] = n
		d.next++
	}
	return binary.AppendUvarint(nil, n), nil
}

// Damage returns the error by which the database was found to be damaged, or nil.
func (d *DB) Damage() error { return d.watched.damage }

// Stores returns the names of the stores that have a number, in their order.
func (d *DB) Stores() []string { return slices.Sorted(maps.Keys(d.numbers)) }
