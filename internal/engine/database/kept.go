package database

import (
	"encoding/binary"
	"errors"

	"github.com/bytedance/sonic"

	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/state"
)

// Kept describes the content of a task's stores without a changelog.
type Kept struct {
	// Inputs are the input topics of the task, by name.
	Inputs map[string]changelog.Input `json:"inputs"`
	// Partitions are the numbers of partitions of the topics: with others, keys belong to other tasks.
	Partitions map[string]int32 `json:"partitions"`
	// Checkpoint is the number of the checkpoint, which is in the metadata of the commit too. 0 is that of an earlier version.
	Checkpoint int64 `json:"checkpoint,omitempty"`
	// Stores are the formats of the stores by name.
	Stores map[string]Format `json:"stores"`
}

// Rows of the database.
const (
	KeptRow  = 'u'
	AheadRow = 'w'
)

// Changes are the changes of a checkpoint in stores without a changelog: for each the length of the row's key, the key, one more than
// the length of the value, and the value; or 0 for a deletion. Lengths are uvarints.
type Changes []byte

func (c *Changes) Reset() { *c = (*c)[:0] }

func (c *Changes) Add(key, value []byte) {
	*c = append(binary.AppendUvarint(*c, uint64(len(key))), key...)
	if value == nil {
		*c = binary.AppendUvarint(*c, 0)
		return
	}
	*c = append(binary.AppendUvarint(*c, uint64(len(value))+1), value...)
}

var errTornChanges = errors.New("changes that were written ahead of a commit end in the middle")

// ApplyTo puts the changes into a batch.
func (c Changes) ApplyTo(batch state.Batch) error {
	for len(c) > 0 {
		n, length := binary.Uvarint(c)
		if length <= 0 || n == 0 || n > uint64(len(c)-length) {
			return errTornChanges
		}
		key := c[length:][:n]
		c = c[length:][n:]
		n, length = binary.Uvarint(c)
		if length <= 0 || n > uint64(len(c)-length)+1 {
			return errTornChanges
		}
		c = c[length:]
		if n == 0 {
			if err := batch.Delete(key); err != nil {
				return err
			}
			continue
		}
		if err := batch.Set(key, c[:n-1]); err != nil {
			return err
		}
		c = c[n-1:]
	}
	return nil
}

// SetKept writes a row with kept, and changes behind it.
func SetKept(batch state.Batch, kind byte, kept Kept, changes Changes) error {
	text, err := sonic.ConfigStd.Marshal(kept)
	if err != nil {
		return err
	}
	value := append(binary.AppendUvarint(nil, uint64(len(text))), text...)
	return batch.Set(MetaKey(kind, ""), append(value, changes...))
}

// Kept reads a row that setKept wrote; without inputs if there is none.
func (d *DB) Kept(kind byte) (kept Kept, changes Changes, err error) {
	value, err := d.Backend.Get(nil, MetaKey(kind, ""))
	if errors.Is(err, state.ErrNotFound) {
		return kept, nil, nil
	}
	if err != nil {
		return kept, nil, err
	}
	n, length := binary.Uvarint(value)
	if length <= 0 || n > uint64(len(value)-length) {
		return kept, nil, errTornChanges
	}
	err = sonic.ConfigStd.Unmarshal(value[length:][:n], &kept)
	return kept, value[length:][n:], err
}
