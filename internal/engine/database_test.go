package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/state"
)

const stateDir = "repartition.orders.shop/0"

var totalChangelog0 = broker.TopicPartition{Topic: totalChangelog, Partition: 0}

// ran returns a cluster on which a pipeline ran, and the disk of its process, which has stopped.
func ran(t *testing.T) (*cluster, memoryDisk) {
	c := newCluster(t, pipeline(), 1)
	d := memoryDisk{}
	p := c.mustStart(d)
	for i := range int64(5) {
		c.order("north", 1, i*10)
		c.order("south", 2, i*10)
		c.settle(p)
	}
	p.mustClose()
	return c, d
}

func setMeta(t *testing.T, b state.Backend, key string, value []byte) {
	t.Helper()
	batch := b.NewBatch()
	defer batch.Close()
	if err := batch.Set([]byte(key), value); err != nil {
		t.Fatal(err)
	}
	if err := batch.Commit(true); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) tryStart(d disk) (*process, error) {
	p, err := c.start(d, "static")
	if err == nil {
		err = p.run()
	}
	return p, err
}

// K-40, EX-52.
//
// The cases of the specification's table of when a recovery is needed. The changelog ends at end, and the database
// reflects it up to an offset near that.
func TestADatabaseIsComparedWithItsChangelog(t *testing.T) {
	c, _ := ran(t)
	end := int64(len(c.broker.Read(totalChangelog0, 0)))
	for _, x := range []struct {
		name     string
		position int64 // -1: the database knows none
		deleted  int64 // records at the start of the changelog that are gone
		restored int64 // records of the store, at least; -1 if the start fails
	}{
		{"no position", -1, 0, end},
		{"behind", end - 3, 0, 2}, // the last record says that the task was closed in order
		{"at the end", end, 0, 0},
		{"beyond the end", end + 1, 0, -1},
		{"at the end of an empty changelog", end, end, 0},
		{"before what is left of the changelog", 2, end - 5, 4},
	} {
		t.Run(x.name, func(t *testing.T) {
			c, d := ran(t)
			if err := c.broker.DeleteRecords(totalChangelog0, x.deleted); err != nil {
				t.Fatal(err)
			}
			key := "\x00ctotal"
			if x.position < 0 {
				d.lose()
			} else {
				setMeta(t, d[stateDir], key, []byte{0, 0, 0, 0, 0, 0, 0, byte(x.position)})
			}
			p, err := c.tryStart(d)
			if x.restored < 0 {
				if err == nil || !strings.Contains(err.Error(), `store "total"`) || !strings.Contains(err.Error(), "ends at") {
					t.Errorf("error %v does not say what is wrong", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := p.status()[1].Restored
			if x.position >= 0 && got != x.restored || got < x.restored {
				t.Errorf("restored %d records, want %d", got, x.restored)
			}
			c.checkState(p)
		})
	}
}

// What a database holds of a store whose changelog has lost records that it lacks is not mixed with the rest.
func TestAStoreThatACutChangelogLeftBehindIsBuiltAnew(t *testing.T) {
	c, d := ran(t)
	end := int64(len(c.broker.Read(totalChangelog0, 0)))
	setMeta(t, d[stateDir], "\x00ctotal", []byte{0, 0, 0, 0, 0, 0, 0, 1})
	setMeta(t, d[stateDir], "\x01ghost", []byte("?"))
	if err := c.broker.DeleteRecords(totalChangelog0, end-3); err != nil {
		t.Fatal(err)
	}
	setMeta(t, d[stateDir], "\x00i"+repartition, []byte{0, 0, 0, 0, 0, 0, 0, 1})
	if _, err := c.tryStart(d); !errors.Is(err, weir.ErrLostState) {
		t.Fatalf("error %v, want lost state", err)
	}
	c.config.LostInput = engine.LostContinue
	p, err := c.tryStart(d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d[stateDir].Get(nil, []byte("\x01ghost")); err == nil {
		t.Error("a row from before is still there")
	}
	c.checkState(p) // the last two rows hold both shops
}

// K-83.
func TestADamagedDatabaseIsDeletedAndRestored(t *testing.T) {
	c, d := ran(t)
	damaged := &damagedDisk{memoryDisk: d, damaged: true}
	p, err := c.tryStart(damaged)
	if err != nil {
		t.Fatal(err)
	}
	if damaged.damaged {
		t.Error("the database was not deleted")
	}
	if n := p.status()[1].Restored; n < 10 {
		t.Errorf("restored %d records", n)
	}
	c.checkState(p)
}

type damagedDisk struct {
	memoryDisk
	damaged bool
}

func (d *damagedDisk) open(dir string) (state.Backend, error) {
	if d.damaged {
		return nil, weir.ErrCorruptState
	}
	return d.memoryDisk.open(dir)
}

func (d *damagedDisk) destroy(dir string) error {
	d.damaged = false
	return d.memoryDisk.destroy(dir)
}

func TestADatabaseOfAnotherFormatIsRefused(t *testing.T) {
	c, d := ran(t)
	setMeta(t, d[stateDir], "\x00v", []byte{2})
	_, err := c.tryStart(d)
	if err == nil || !strings.Contains(err.Error(), "format 2") || !strings.Contains(err.Error(), stateDir) {
		t.Errorf("error %v does not name format and task", err)
	}
}

func TestTasksAreSpreadEvenlyAndAlwaysTheSame(t *testing.T) {
	var first [][]engine.TaskID
	for range 5 {
		c := newCluster(t, pipeline(), 5)
		c.workers = 3
		p := c.mustStart(memoryDisk{})
		var spread [][]engine.TaskID
		for _, w := range p.workers {
			var ids []engine.TaskID
			for _, s := range w.Status() {
				ids = append(ids, s.ID)
			}
			if len(ids) < 3 || len(ids) > 4 {
				t.Errorf("a worker has %d of 10 tasks", len(ids))
			}
			spread = append(spread, ids)
		}
		if first == nil {
			first = spread
		}
		for i := range spread {
			for j := range spread[i] {
				if spread[i][j] != first[i][j] {
					t.Fatalf("tasks %v, and once %v", spread, first)
				}
			}
		}
	}
}
