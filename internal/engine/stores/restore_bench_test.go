package stores

import (
	"encoding/binary"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
)

// changelogBatches returns batches of a changelog: n records of 100 bytes, with keys in random order.
func changelogBatches(n, keys int) []*broker.Batch {
	random := rand.New(rand.NewPCG(1, 2))
	headers := changelog.EncodeProcessed(map[string]int64{"input": 1000}, map[string]string{"input": "4MJnUxK0TQGwQ3mLwFz2Vg"})
	var batches []*broker.Batch
	const size = 5000
	for from := 0; from < n; from += size {
		b := &broker.Batch{TopicPartition: broker.TopicPartition{Topic: "changelog"}, NextOffset: int64(from + size)}
		for i := range size {
			key := append(binary.BigEndian.AppendUint64(nil, random.Uint64N(uint64(keys))*0x9e3779b97f4a7c15), "tail"...)
			value := make([]byte, 100)
			for j := range value {
				value[j] = "abcdefghijklmnop"[random.IntN(16)]
			}
			b.Records = append(b.Records, broker.Record{Key: key, Value: value, Headers: headers, Offset: int64(from + i)})
		}
		batches = append(batches, b)
	}
	return batches
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRestore compares restoring a store with the plain loop: the same records, put into batches of 1,000 for a
// database of the same kind. Both end with everything flushed and compactions done. The metric is CPU time of all
// threads per record.
func BenchmarkRestore(b *testing.B) {
	const records = 1_000_000
	for _, keys := range []int{100_000, 1_000_000} {
		batches := changelogBatches(records, keys)
		open := func() (state.Backend, func()) {
			p := state.NewPebble(state.PebbleConfig{})
			d, err := p.Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			return d, func() {
				if err := d.Close(); err != nil {
					b.Fatal(err)
				}
				if err := p.Close(); err != nil {
					b.Fatal(err)
				}
			}
		}
		name := map[int]string{100_000: "keys=100k", 1_000_000: "keys=1M"}[keys]
		b.Run("plain/"+name, func(b *testing.B) {
			begin := cpu()
			for b.Loop() {
				d, closeAll := open()
				for _, batch := range batches {
					for from := 0; from < len(batch.Records); from += 1000 {
						w := d.NewBatch()
						for i := from; i < from+1000; i++ {
							if err := w.Set(batch.Records[i].Key, batch.Records[i].Value); err != nil {
								b.Fatal(err)
							}
						}
						if err := w.Commit(false); err != nil {
							b.Fatal(err)
						}
					}
				}
				closeAll()
			}
			b.ReportMetric(float64(cpu()-begin)/float64(b.N)/records, "cpu-ns/record")
		})
		b.Run("restore/"+name, func(b *testing.B) {
			begin := cpu()
			for b.Loop() {
				d, closeAll := open()
				database, err := database.Open(d)
				if err != nil {
					b.Fatal(err)
				}
				prefix, err := database.Prefix("store")
				if err != nil {
					b.Fatal(err)
				}
				r := &restore{
					store: &Store{Store: graph.Store{Name: "store"}, prefix: prefix}, end: records,
					filter: changelog.Filter{Committed: map[string]int64{"input": 1000}}, skipped: map[string]struct{}{},
				}
				var restored Restored
				for _, batch := range batches {
					if err := r.collect(batch, &restored); err != nil {
						b.Fatal(err)
					}
					if r.position >= r.end || r.entries.Bytes() >= 32<<20 {
						if err := r.write(database, 5000); err != nil {
							b.Fatal(err)
						}
					}
				}
				closeAll()
			}
			b.ReportMetric(float64(cpu()-begin)/float64(b.N)/records, "cpu-ns/record")
		})
	}
}
