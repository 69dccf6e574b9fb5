package engine

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/weirstreams/weir/internal/state"
)

// formatVersion is the version of the layout below. A database of another version is refused.
//
//	1  first version
const formatVersion = 1

// database is the database of one task: its stores, each under a prefix, and the positions of the task.
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
//	00 'w'          what the last checkpoint has changed in them, written before its offsets were committed: the input that
//	                they reflect with it, and the changes, see written
//	<number> <key>  a row of the store with that number (uvarint)
type database struct {
	backend state.Backend
	watched *watchedBackend // backend
	numbers map[string]uint64
	next    uint64
	scratch []byte
}

func metaKey(kind byte, name string) []byte { return append([]byte{0, kind}, name...) }

// errFormat says that a database was written by a program with another layout.
var errFormat = errors.New("state was written by another version of the library")

// openDatabase reads the directory of a database, or writes that of an empty one.
func openDatabase(opened state.Backend) (*database, error) {
	backend := &watchedBackend{Backend: opened}
	d := &database{backend: backend, watched: backend, numbers: map[string]uint64{}, next: 1}
	value, err := backend.Get(nil, metaKey('v', ""))
	switch {
	case errors.Is(err, state.ErrNotFound):
		return d, d.write(func(b state.Batch) error {
			return b.Set(metaKey('v', ""), binary.AppendUvarint(nil, formatVersion))
		})
	case err != nil:
		return nil, err
	}
	if v, _ := binary.Uvarint(value); v != formatVersion {
		return nil, fmt.Errorf("%w: format %d, this one knows %d", errFormat, v, formatVersion)
	}
	err = backend.Scan(metaKey('s', ""), metaKey('s'+1, ""), func(key, value []byte) (bool, error) {
		n, _ := binary.Uvarint(value)
		d.numbers[string(key[2:])] = n
		d.next = max(d.next, n+1)
		return true, nil
	})
	return d, err
}

func (d *database) write(f func(state.Batch) error) error {
	b := d.backend.NewBatch()
	defer b.Close()
	if err := f(b); err != nil {
		return err
	}
	return b.Commit(false)
}

// prefix returns the first bytes of every key of a store.
func (d *database) prefix(name string) ([]byte, error) {
	n, ok := d.numbers[name]
	if !ok {
		n = d.next
		err := d.write(func(b state.Batch) error {
			return b.Set(metaKey('s', name), binary.AppendUvarint(nil, n))
		})
		if err != nil {
			return nil, err
		}
		d.numbers[name] = n
		d.next++
	}
	return binary.AppendUvarint(nil, n), nil
}

// offset reads an offset of the directory, or false if there is none.
func (d *database) offset(kind byte, name string) (int64, bool, error) {
	value, err := d.backend.Get(d.scratch[:0], metaKey(kind, name))
	if errors.Is(err, state.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	d.scratch = value
	if len(value) != 8 {
		return 0, false, fmt.Errorf("offset of %q: want 8 bytes, got %d", name, len(value))
	}
	return int64(binary.BigEndian.Uint64(value)), true, nil
}

// setOffset writes an offset of the directory.
func setOffset(b state.Batch, kind byte, name string, offset int64) error {
	return b.Set(offsetRow(kind, name, offset))
}

// offsetRow returns the row of an offset in the directory.
func offsetRow(kind byte, name string, offset int64) (key, value []byte) {
	return metaKey(kind, name), binary.BigEndian.AppendUint64(nil, uint64(offset))
}

// epoch reads the epoch of a store, zero if there is none.
func (d *database) epoch(name string) (e epoch, err error) {
	value, err := d.backend.Get(d.scratch[:0], metaKey('e', name))
	if errors.Is(err, state.ErrNotFound) {
		return e, nil
	}
	if err != nil {
		return e, err
	}
	d.scratch = value
	if len(value) != len(e) {
		return e, fmt.Errorf("epoch of %q: want %d bytes, got %d", name, len(e), len(value))
	}
	return epoch(value), nil
}

// topicID reads the id of the topic that the offset of an input belongs to; empty if it is not known.
func (d *database) topicID(topic string) (string, error) {
	id, err := d.backend.Get(nil, metaKey(topicIDRow, topic))
	if errors.Is(err, state.ErrNotFound) {
		return "", nil
	}
	return string(id), err
}

// topicIDRow is the kind of rows that hold the id of an input topic.
const topicIDRow = 't'

// Kinds of offsets.
const (
	changelogOffset = 'c'
	inputOffset     = 'i'
)

// standingRow is the kind of rows that hold a standing.
const standingRow = 'p'

// doubtRow is the kind of the row that says that a restore had no committed offsets.
const doubtRow = 'o'
