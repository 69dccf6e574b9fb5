package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// shorteningProducer cuts the values of changelog records before the simulated cluster keeps them in memory.
type shorteningProducer struct {
	broker.Producer
	changelog string
}

func (p shorteningProducer) Send(ctx context.Context, tp broker.TopicPartition, records []broker.Record) error {
	if tp.Topic == p.changelog {
		for i := range records {
			records[i].Value = bytes.Clone(records[i].Value[:min(len(records[i].Value), 100)])
		}
	}
	return p.Producer.Send(ctx, tp, records)
}

// newFileDisk returns a disk that keeps its data in files and not in memory.
func newFileDisk(t *testing.T) *fileDisk {
	d := &fileDisk{dir: t.TempDir(), pebble: state.NewPebble(state.PebbleConfig{CacheBytes: 1 << 20, MaxTasks: 1})}
	t.Cleanup(func() {
		if err := d.pebble.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// fileDisk is a disk of files. It does not crash.
type fileDisk struct {
	dir    string
	pebble *state.Pebble
}

func (d *fileDisk) open(dir string) (state.Backend, error) { return d.pebble.Open(d.dir + "/" + dir) }

func (d *fileDisk) destroy(dir string) error { return vfs.Default.RemoveAll(d.dir + "/" + dir) }
func (d *fileDisk) crash()                   {}
func (d *fileDisk) lose()                    {}

// State that changes in one burst of input, much more than that, is checked in each time that CheckpointBytes have changed, and leaves memory
// when it is at rest: a worker takes a small multiple of CheckpointBytes and CacheBytes.
func TestLargeStatesTakeNoMoreMemoryThanConfigured(t *testing.T) {
	const (
		size    = 100_000
		limit   = 1 << 20  // of CheckpointBytes and CacheBytes
		allowed = 16 << 20 // with the memtables of the database
	)
	keys := longtest.Cases(400, 1000)
	inUse := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, exactlyOnce := range []bool{false, true} {
		t.Run(fmt.Sprintf("exactly once %v", exactlyOnce), func(t *testing.T) {
			var before, peak int64
			processed := 0
			topology := stream.NewTopology()
			topology.From(topicA).MapState(store.NewCell[[]byte]("blob").WithCodec(codec.Bytes()), func(c *store.Cell[[]byte], value string) string {
				c.Set(bytes.Repeat([]byte(value[:1]), size))
				if processed++; processed%20 == 0 {
					peak = max(peak, inUse()-before)
				}
				return value
			}).To(topicOut)
			c := newCluster(t, topology, 1)
			c.config.ExactlyOnce, c.config.CheckpointBytes, c.config.CacheBytes = exactlyOnce, limit, limit
			c.wrap = func(p broker.Producer) broker.Producer {
				return shorteningProducer{p, "changelog__g--orders--blob"}
			}
			for i := range int64(keys) {
				c.write(a0, i)
			}
			p, err := c.start(newFileDisk(t), "static")
			if err != nil {
				t.Fatal(err)
			}
			before = inUse()
			p.mustRun()
			if processed < keys {
				t.Fatalf("%d records were processed, want %d", processed, keys)
			}
			if peak > allowed {
				t.Errorf("%d MiB were in use at the peak, more than %d", peak>>20, allowed>>20)
			}
			if rest := inUse() - before; rest > allowed {
				t.Errorf("%d MiB are in use at rest, more than %d", rest>>20, allowed>>20)
			}
			p.mustClose()
		})
	}
}
