package engine_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirstreams/weir/internal/state"
)

// disk holds the databases of a process.
type disk interface {
	open(dir string) (state.Backend, error)
	destroy(dir string) error
	// crash loses what a crash of the machine would, and gives up what the process held.
	crash()
	lose()
}

type memoryDisk map[string]state.Backend

func (d memoryDisk) open(dir string) (state.Backend, error) {
	if d[dir] == nil {
		d[dir] = state.NewMemory()
	}
	return d[dir], nil
}
func (d memoryDisk) destroy(dir string) error { delete(d, dir); return nil }
func (memoryDisk) crash()                     {}
func (d memoryDisk) lose()                    { clear(d) }

// pebbleDisk is a file system that loses unsynced data in a crash.
type pebbleDisk struct {
	t      testing.TB
	fs     *vfs.MemFS
	pebble *state.Pebble
	opened []state.Backend
}

func newPebbleDisk(t testing.TB) *pebbleDisk {
	d := &pebbleDisk{t: t, fs: vfs.NewCrashableMem()}
	d.start()
	t.Cleanup(d.stop)
	return d
}

func (d *pebbleDisk) start() {
	d.pebble = state.NewPebble(state.PebbleConfig{FS: d.fs, CacheBytes: 1 << 20, MaxTasks: 8})
}

func (d *pebbleDisk) stop() {
	for _, b := range d.opened {
		_ = b.Close() // most are closed
	}
	d.opened = nil
	if err := d.pebble.Close(); err != nil {
		d.t.Error(err)
	}
}

func (d *pebbleDisk) open(dir string) (state.Backend, error) {
	b, err := d.pebble.Open("state/" + dir)
	if err == nil {
		d.opened = append(d.opened, b)
	}
	return b, err
}
func (d *pebbleDisk) destroy(dir string) error { return d.fs.RemoveAll("state/" + dir) }
func (d *pebbleDisk) crash() {
	after := d.fs.CrashClone(vfs.CrashCloneCfg{})
	d.stop()
	d.fs = after
	d.start()
}

func (d *pebbleDisk) lose() {
	d.stop()
	d.fs = vfs.NewCrashableMem()
	d.start()
}
