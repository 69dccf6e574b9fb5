package sim

import (
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirstreams/weir/internal/state"
)

// pebbleDisk is a file system in memory with Pebble databases. A crash loses unsynced writes.
type pebbleDisk struct {
	fs     *vfs.MemFS
	pebble *state.Pebble
	opened []state.Backend
	dirs   map[string]bool
}

func newPebbleDisk() *pebbleDisk {
	d := &pebbleDisk{fs: vfs.NewCrashableMem(), dirs: map[string]bool{}}
	d.start()
	return d
}

func (d *pebbleDisk) start() {
	d.pebble = state.NewPebble(state.PebbleConfig{FS: d.fs, CacheBytes: 1 << 20, MemTableBytes: 256 << 10, MaxTasks: 32})
}

func (d *pebbleDisk) closed() {
	for _, b := range d.opened {
		_ = b.Close() // most are closed
	}
	d.opened = nil
}

func (d *pebbleDisk) remove() {
	d.closed()
	_ = d.pebble.Close() // it is in memory
}

func (d *pebbleDisk) open(dir string) (state.Backend, error) {
	b, err := d.pebble.Open("state/" + dir)
	if err == nil {
		d.opened = append(d.opened, b)
		d.dirs[dir] = true
	}
	return b, err
}

func (d *pebbleDisk) has(dir string) bool { return d.dirs[dir] }

func (d *pebbleDisk) destroy(dir string) error {
	delete(d.dirs, dir)
	return d.fs.RemoveAll("state/" + dir)
}

func (d *pebbleDisk) crash(random) {
	// Everything that was not synced is lost: how much of it has been written is up to goroutines of Pebble's, and a run has
	// to repeat itself. A memoryDisk loses a part.
	after := d.fs.CrashClone(vfs.CrashCloneCfg{})
	d.remove()
	d.fs = after
	d.start()
}

func (d *pebbleDisk) lose() {
	d.remove()
	d.fs = vfs.NewCrashableMem()
	clear(d.dirs)
	d.start()
}
