package database

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/state"
)

// Offset reads an offset of the directory, or false if there is none.
func (d *DB) Offset(kind byte, name string) (int64, bool, error) {
	value, err := d.Backend.Get(d.scratch[:0], MetaKey(kind, name))
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

// SetOffset writes an offset of the directory.
func SetOffset(b state.Batch, kind byte, name string, offset int64) error {
	return b.Set(OffsetRow(kind, name, offset))
}

// OffsetRow returns the row of an offset in the directory.
func OffsetRow(kind byte, name string, offset int64) (key, value []byte) {
	return MetaKey(kind, name), binary.BigEndian.AppendUint64(nil, uint64(offset))
}

// Epoch reads the epoch of a store, zero if there is none.
func (d *DB) Epoch(name string) (e changelog.Epoch, err error) {
	value, err := d.Backend.Get(d.scratch[:0], MetaKey(EpochRow, name))
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
	return changelog.Epoch(value), nil
}

// TopicID reads the id of the topic that the offset of an input belongs to; empty if it is not known.
func (d *DB) TopicID(topic string) (string, error) {
	id, err := d.Backend.Get(nil, MetaKey(TopicIDRow, topic))
	if errors.Is(err, state.ErrNotFound) {
		return "", nil
	}
	return string(id), err
}

// TopicIDRow is the kind of rows that hold the id of an input topic.
const TopicIDRow = 't'

// Kinds of offsets.
const (
	ChangelogOffset = 'c'
	InputOffset     = 'i'
)

// StandingRow is the kind of rows that hold a standing.
const StandingRow = 'p'

// EpochRow is the kind of rows that hold the greatest epoch of a changelog.
const EpochRow = 'e'

// DoubtRow is the kind of the row that says that a restore had no committed offsets.
const DoubtRow = 'o'

// Standing reads the standing of a store; one without inputs if there is none.
func (d *DB) Standing(name string) (changelog.Standing, error) {
	value, err := d.Backend.Get(nil, MetaKey(StandingRow, name))
	if errors.Is(err, state.ErrNotFound) {
		return changelog.Standing{}, nil
	}
	if err != nil {
		return changelog.Standing{}, err
	}
	return changelog.DecodeStanding(value)
}

// Forget deletes the rows of a store, and its positions in a changelog. prefix is that of the rows.
func (d *DB) Forget(b state.Batch, name string, prefix []byte) error {
	err := d.Backend.Scan(prefix, EndOf(prefix), func(key, _ []byte) (bool, error) { return true, b.Delete(key) })
	for _, kind := range []byte{ChangelogOffset, EpochRow, StandingRow} {
		err = errors.Join(err, b.Delete(MetaKey(kind, name)))
	}
	return err
}

// EndOf returns the first key after those with the prefix of a store.
func EndOf(prefix []byte) []byte {
	to := append([]byte(nil), prefix...)
	to[len(to)-1]++ // the last byte of a number is below 0x80
	return to
}

// Inputs reads the next offsets of the input topics that a database reflects.
func Inputs(r state.Reader) (map[string]int64, error) {
	inputs := map[string]int64{}
	err := r.Scan(MetaKey(InputOffset, ""), MetaKey(InputOffset+1, ""), func(key, value []byte) (bool, error) {
		topic := string(key[2:])
		if len(value) != 8 {
			return false, fmt.Errorf("offset of %q: want 8 bytes, got %d", topic, len(value))
		}
		inputs[topic] = int64(binary.BigEndian.Uint64(value))
		return true, nil
	})
	return inputs, err
}
