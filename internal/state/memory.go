package state

import (
	"bytes"
	"errors"
	"slices"
	"sync"

	"github.com/tidwall/btree"
)

// memoryBackend is a Backend that keeps everything in a B-tree in memory.
type memoryBackend struct {
	tree  *btree.BTreeG[memoryItem]
	bytes int64
	scans int // scans in progress, whose tree must not change under them
	// changing is held while the content changes, and for reading by Read. The goroutine that changes it reads without.
	changing sync.RWMutex
}

// memoryItem is one entry. Its slices never change, so that trees and scans can share them.
type memoryItem struct{ key, value []byte }

// NewMemory returns an empty Backend in memory, for tests, and for state that fits in memory and is cheap to rebuild from
// its changelog.
//
// Its content lives as long as the value: Close leaves it usable, so a test restarts a task by handing the same value to
// the next one. Nothing is ever lost, so sync makes no difference.
func NewMemory() Backend {
	return &memoryBackend{tree: btree.NewBTreeGOptions(
		func(a, b memoryItem) bool { return bytes.Compare(a.key, b.key) < 0 },
		btree.Options{NoLocks: true}, // one goroutine uses a backend
	)}
}

func (m *memoryBackend) Get(dst, key []byte) ([]byte, error) {
	return getItem(m.tree, dst, key)
}

func getItem(tree *btree.BTreeG[memoryItem], dst, key []byte) ([]byte, error) {
	item, ok := tree.Get(memoryItem{key: key})
	if !ok {
		return dst, ErrNotFound
	}
	return append(dst, item.value...), nil
}

func (m *memoryBackend) Scan(from, to []byte, f func(key, value []byte) (bool, error)) error {
	m.scans++
	defer func() { m.scans-- }()
	return scanItems(m.tree, from, to, f)
}

func scanItems(tree *btree.BTreeG[memoryItem], from, to []byte, f func(key, value []byte) (bool, error)) error {
	var failed error
	tree.Ascend(memoryItem{key: from}, func(item memoryItem) bool {
		if to != nil && bytes.Compare(item.key, to) >= 0 {
			return false
		}
		var more bool
		more, failed = f(item.key, item.value)
		return more && failed == nil
	})
	return failed
}

func (m *memoryBackend) ScanBack(from, to []byte, f func(key, value []byte) (bool, error)) error {
	m.scans++
	defer func() { m.scans-- }()
	var failed error
	visit := func(item memoryItem) bool {
		if to != nil && bytes.Compare(item.key, to) >= 0 {
			return true
		}
		if bytes.Compare(item.key, from) < 0 {
			return false
		}
		var more bool
		more, failed = f(item.key, item.value)
		return more && failed == nil
	}
	if to == nil {
		m.tree.Reverse(visit)
	} else {
		m.tree.Descend(memoryItem{key: to}, visit)
	}
	return failed
}

// Read lets a commit wait until f returns. The content outlives Close, and so do reads.
func (m *memoryBackend) Read(f func(Reader) error) error {
	m.changing.RLock()
	defer m.changing.RUnlock()
	return f(memoryReader{m.tree})
}

// memoryReader reads a tree that does not change meanwhile.
type memoryReader struct{ tree *btree.BTreeG[memoryItem] }

func (r memoryReader) Get(dst, key []byte) ([]byte, error) {
	return getItem(r.tree, dst, key)
}

func (r memoryReader) Scan(from, to []byte, f func(key, value []byte) (bool, error)) error {
	return scanItems(r.tree, from, to, f)
}

func (m *memoryBackend) NewBatch() Batch { return &memoryBatch{backend: m} }

func (m *memoryBackend) Load(entries *Entries) error {
	b := m.NewBatch()
	err := entries.sorted(func(key, value []byte) error {
		if value == nil {
			return b.Delete(key)
		}
		return b.Set(key, value)
	})
	return errors.Join(err, b.Commit(true))
}

func (m *memoryBackend) Sync() error { return nil }

func (m *memoryBackend) Size() int64 { return m.bytes }

func (m *memoryBackend) Close() error { return nil }

func (m *memoryBackend) apply(changes []memoryChange) {
	m.changing.Lock()
	defer m.changing.Unlock()
	if m.scans > 0 {
		// A callback commits. The scans go on with the tree that they began with; copying is lazy, node by node.
		m.tree = m.tree.Copy()
	}
	for _, c := range changes {
		var old memoryItem
		var had bool
		if c.deletes {
			old, had = m.tree.Delete(c.memoryItem)
		} else {
			old, had = m.tree.Set(c.memoryItem)
			m.bytes += int64(len(c.key) + len(c.value))
		}
		if had {
			m.bytes -= int64(len(old.key) + len(old.value))
		}
	}
}

type memoryChange struct {
	memoryItem
	deletes bool
}

type memoryBatch struct {
	backend   *memoryBackend
	changes   []memoryChange
	bytes     int
	committed bool
}

func (b *memoryBatch) Set(key, value []byte) error {
	return b.add(memoryChange{memoryItem: memoryItem{slices.Clone(key), slices.Clone(value)}})
}

func (b *memoryBatch) Delete(key []byte) error {
	return b.add(memoryChange{memoryItem: memoryItem{key: slices.Clone(key)}, deletes: true})
}

func (b *memoryBatch) add(c memoryChange) error {
	if b.committed {
		return errBatchCommitted
	}
	if len(c.key) == 0 {
		return errEmptyKey
	}
	b.changes = append(b.changes, c)
	b.bytes += len(c.key) + len(c.value)
	return nil
}

func (b *memoryBatch) Len() int { return b.bytes }

func (b *memoryBatch) Commit(bool) error {
	if b.committed {
		return errBatchCommitted
	}
	b.committed = true
	b.backend.apply(b.changes)
	return nil
}

func (b *memoryBatch) Close() error {
	b.changes, b.committed = nil, true
	return nil
}

// errEmptyKey refuses a key that Pebble cannot store: a table of its newest format with an empty key alone makes the flush panic.
var errEmptyKey = errors.New("key is empty")

// errBatchCommitted reports a mistake of the caller: a batch takes effect once.
var errBatchCommitted = errors.New("batch is already committed or closed")
