package engine_test

import (
	"fmt"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
)

// rottenDisk is a disk on which reads of databases find corrupt blocks, after a number of them, until a database is deleted.
type rottenDisk struct {
	memoryDisk
	left    int // reads before the first that fails; less than 0: none fails
	deleted int
}

func (d *rottenDisk) open(dir string) (state.Backend, error) {
	b, err := d.memoryDisk.open(dir)
	return rottenBackend{b, d}, err
}

func (d *rottenDisk) destroy(dir string) error {
	d.left = -1
	d.deleted++
	return d.memoryDisk.destroy(dir)
}

func (d *rottenDisk) read() error {
	if d.left == 0 {
		return fmt.Errorf("read a block: %w", weir.ErrCorruptState)
	}
	if d.left > 0 {
		d.left--
	}
	return nil
}

type rottenBackend struct {
	state.Backend
	disk *rottenDisk
}

func (b rottenBackend) Get(dst, key []byte) ([]byte, error) {
	if err := b.disk.read(); err != nil {
		return dst, err
	}
	return b.Backend.Get(dst, key)
}

func (b rottenBackend) Scan(from, to []byte, f func(key, value []byte) (bool, error)) error {
	if err := b.disk.read(); err != nil {
		return err
	}
	return b.Backend.Scan(from, to, f)
}

func (b rottenBackend) ScanBack(from, to []byte, f func(key, value []byte) (bool, error)) error {
	if err := b.disk.read(); err != nil {
		return err
	}
	return b.Backend.ScanBack(from, to, f)
}

// Whatever read of a database finds a corrupt block, the database is deleted, restored, and counted, and nothing is lost. A policy
// of skipping records does not take the damage for a record's fault.
func TestACorruptBlockThatAnyReadFindsIsHealed(t *testing.T) {
	bothGuarantees(t, func(t *testing.T, exactlyOnce bool) {
		healed := 0
		for at := 0; ; at++ {
			d := &rottenDisk{memoryDisk: memoryDisk{}, left: -1}
			c := newCluster(t, pipeline(), 1)
			c.config.ExactlyOnce, c.config.CacheBytes = exactlyOnce, 1 // so that states are read again
			c.config.Errors.Decide = func(_ *weir.FailedRecord) weir.ErrorAction { return weir.Skip }
			p := c.mustStart(d)
			for i := range 9 {
				c.order(string(rune('a'+i%3)), 1, int64(5*i))
			}
			c.settle(p)
			p.mustClose()
			d.left = at
			p = c.mustStart(d)
			for i := range 9 {
				c.order(string(rune('a'+i%3)), 1, int64(100+5*i))
			}
			c.settle(p)
			d.left = -1
			c.checkState(p)
			var rebuilt int64
			for _, s := range p.status() {
				rebuilt += s.Rebuilt
			}
			if rebuilt != int64(d.deleted) || rebuilt > 1 {
				t.Fatalf("damage at read %d: %d databases deleted, %d counted", at, d.deleted, rebuilt)
			}
			if d.deleted == 0 {
				break // there are not so many reads
			}
			healed++
			if exactlyOnce { // at least once, output of the second part is made again, from records that are there again
				c.checkLogs(false)
			}
			c.checkState(p)
			p.mustClose()
			c.checkState(c.mustStart(d))
			if t.Failed() {
				t.Fatalf("damage at read %d", at)
			}
		}
		if healed < 10 {
			t.Errorf("%d reads were tried", healed)
		}
	})
}

// A disk that is damaged again and again does not keep the process busy for ever.
func TestADatabaseThatIsAlwaysDamagedEndsTheRun(t *testing.T) {
	c, d := ran(t)
	broken := &brokenDisk{memoryDisk: d}
	p, err := c.start(broken, "static")
	for range 100 {
		if err != nil {
			break
		}
		c.order("north", 1, 100)
		c.clock.Advance(interval)
		err = p.run()
	}
	if err == nil {
		t.Error("no error")
	}
	if broken.opened < 2 || broken.opened > 50 {
		t.Errorf("the database was opened %d times", broken.opened)
	}
}

// brokenDisk fails every scan of rows.
type brokenDisk struct {
	memoryDisk
	opened int
}

func (d *brokenDisk) open(dir string) (state.Backend, error) {
	d.opened++
	b, err := d.memoryDisk.open(dir)
	return brokenBackend{b}, err
}

type brokenBackend struct{ state.Backend }

func (b brokenBackend) Get(dst, key []byte) ([]byte, error) {
	if key[0] != 0 {
		return dst, weir.ErrCorruptState
	}
	return b.Backend.Get(dst, key)
}
