package sim

import (
	"bytes"
	"maps"
	"slices"

	"github.com/weirstreams/weir/internal/state"
)

// disk holds the databases of a member. It outlives processes.
type disk interface {
	open(dir string) (state.Backend, error)
	has(dir string) bool
	destroy(dir string) error
	// closed is called when a process has ended in order, crash when it was killed: a part of the unsynced writes is lost,
	// the latest first.
	closed()
	crash(r random)
	// lose loses everything.
	lose()
	// remove gives the disk up.
	remove()
}

// memoryDisk keeps databases in memory, as a Pebble database promises to keep them: synced batches stay, and later
// ones up to some point.
type memoryDisk struct{ volumes map[string]*volume }

type volume struct {
	state.Backend
	synced map[string][]byte
	// pending are the batches since the last sync.
	pending [][]change
}

// change is a row that is set, or deleted if value is nil.
type change struct{ key, value []byte }

func newMemoryDisk() *memoryDisk { return &memoryDisk{volumes: map[string]*volume{}} }

func (d *memoryDisk) open(dir string) (state.Backend, error) {
	v := d.volumes[dir]
	if v == nil {
		v = &volume{Backend: state.NewMemory(), synced: map[string][]byte{}}
		d.volumes[dir] = v
	}
	v.sync() // what is found is flushed to tables
	return v, nil
}

func (d *memoryDisk) has(dir string) bool      { return d.volumes[dir] != nil }
func (d *memoryDisk) destroy(dir string) error { delete(d.volumes, dir); return nil }
func (d *memoryDisk) closed()                  {}
func (d *memoryDisk) lose()                    { clear(d.volumes) }
func (d *memoryDisk) remove()                  {}

func (d *memoryDisk) crash(r random) {
	for _, dir := range slices.Sorted(maps.Keys(d.volumes)) {
		v := d.volumes[dir]
		if len(v.pending) == 0 {
			continue
		}
		keep := r.IntN(len(v.pending) + 1)
		v.pending = v.pending[:keep]
		v.sync()
		v.Backend = state.NewMemory()
		b := v.Backend.NewBatch()
		for key, value := range v.synced {
			_ = b.Set([]byte(key), value) // never fails for a key that is not empty
		}
		_ = b.Commit(true)
	}
}

func (v *volume) sync() {
	for _, batch := range v.pending {
		for _, c := range batch {
			if c.value == nil {
				delete(v.synced, string(c.key))
			} else {
				v.synced[string(c.key)] = c.value
			}
		}
	}
	v.pending = nil
}

func (v *volume) Sync() error {
	v.sync()
	return nil
}

func (v *volume) NewBatch() state.Batch { return &volumeBatch{Batch: v.Backend.NewBatch(), volume: v} }

func (v *volume) Load(entries *state.Entries) error {
	b := v.NewBatch()
	if err := entries.CopyTo(b); err != nil {
		return err
	}
	return b.Commit(true)
}

type volumeBatch struct {
	state.Batch
	volume  *volume
	changes []change
}

func (b *volumeBatch) Set(key, value []byte) error {
	value = append([]byte{}, value...)
	b.changes = append(b.changes, change{bytes.Clone(key), value})
	return b.Batch.Set(key, value)
}

func (b *volumeBatch) Delete(key []byte) error {
	b.changes = append(b.changes, change{bytes.Clone(key), nil})
	return b.Batch.Delete(key)
}

func (b *volumeBatch) Commit(sync bool) error {
	if err := b.Batch.Commit(false); err != nil {
		return err
	}
	b.volume.pending = append(b.volume.pending, b.changes)
	if sync {
		b.volume.sync()
	}
	return nil
}

// backend is a database as a process sees it: the process can be killed before and after each write.
type backend struct {
	state.Backend
	process *process
}

func (b *backend) around(kind string, do func() error) error {
	if err := b.process.diskPoint(kind, false); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return b.process.diskPoint(kind, true)
}

func (b *backend) Sync() error { return b.around("sync", b.Backend.Sync) }

func (b *backend) Load(entries *state.Entries) error {
	return b.around("load", func() error { return b.Backend.Load(entries) })
}

func (b *backend) Close() error { return b.around("close", b.Backend.Close) }

func (b *backend) NewBatch() state.Batch { return &batch{Batch: b.Backend.NewBatch(), backend: b} }

type batch struct {
	state.Batch
	backend *backend
}

func (b *batch) Commit(sync bool) error {
	return b.backend.around("write", func() error { return b.Batch.Commit(sync) })
}
