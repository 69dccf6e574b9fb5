//go:build unix

package state_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/state"
)

// The benchmarks compare the memory backend and Pebble on disk with memtables of three sizes: 12-byte keys, 100-byte
// values, 200,000 keys in random order, batches of 1,000. cpu-ns/op counts all threads, so flushes and compactions too;
// Unix tells it.

const (
	benchKeys  = 200_000
	benchBatch = 1_000
)

func benchBackends(b *testing.B, run func(b *testing.B, backend state.Backend)) {
	b.Run("memory", func(b *testing.B) { run(b, state.NewMemory()) })
	for _, memtable := range []int64{256 << 10, 1 << 20, 4 << 20} {
		b.Run(fmt.Sprintf("pebble/memtable=%dKiB", memtable>>10), func(b *testing.B) {
			p := newPebble(b, state.PebbleConfig{MemTableBytes: memtable})
			run(b, openBackend(b, p, b.TempDir()))
		})
	}
}

func benchKey(dst []byte, i int) []byte {
	dst = append(dst[:0], "key:"...)
	return binary.BigEndian.AppendUint64(dst, uint64(i))
}

// fill sets every key once, in random order.
func fill(b *testing.B, backend state.Backend) {
	b.Helper()
	setAll(b, backend, rand.New(rand.NewPCG(1, 1)).Perm(benchKeys))
	if err := backend.Sync(); err != nil {
		b.Fatal(err)
	}
}

func setAll(b *testing.B, backend state.Backend, keys []int) {
	var key []byte
	value := make([]byte, 100)
	for len(keys) > 0 {
		n := min(benchBatch, len(keys))
		batch := backend.NewBatch()
		for _, k := range keys[:n] {
			key = benchKey(key, k)
			binary.LittleEndian.PutUint64(value, uint64(k)*0x9E3779B97F4A7C15) // not everything compresses
			if err := batch.Set(key, value); err != nil {
				b.Fatal(err)
			}
		}
		keys = keys[n:]
		if err := errors.Join(batch.Commit(false), batch.Close()); err != nil {
			b.Fatal(err)
		}
	}
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func reportCPU(b *testing.B, since time.Duration) {
	b.ReportMetric(float64(cpuTime()-since)/float64(b.N), "cpu-ns/op")
}

func BenchmarkBackendSet(b *testing.B) {
	benchBackends(b, func(b *testing.B, backend state.Backend) {
		fill(b, backend)
		random := rand.New(rand.NewPCG(2, 2))
		keys := make([]int, b.N)
		for i := range keys {
			keys[i] = random.IntN(benchKeys)
		}
		b.ReportAllocs()
		b.ResetTimer()
		cpu := cpuTime()
		setAll(b, backend, keys)
		reportCPU(b, cpu)
	})
}

func BenchmarkBackendGet(b *testing.B) {
	for _, name := range []string{"hit", "miss"} {
		b.Run(name, func(b *testing.B) {
			benchBackends(b, func(b *testing.B, backend state.Backend) {
				fill(b, backend)
				var key, value []byte
				get := func(i int) {
					key = benchKey(key, i)
					if name == "miss" {
						key = append(key, 'x')
					}
					var err error
					value, err = backend.Get(value[:0], key)
					if (err == nil) != (name == "hit") {
						b.Fatal(err)
					}
				}
				for i := range benchKeys {
					get(i)
				}
				random := rand.New(rand.NewPCG(2, 2))
				b.ReportAllocs()
				b.ResetTimer()
				cpu := cpuTime()
				for range b.N {
					get(random.IntN(benchKeys))
				}
				reportCPU(b, cpu)
			})
		})
	}
}

func BenchmarkBackendScan(b *testing.B) {
	for _, length := range []int{10, 10_000} {
		b.Run(fmt.Sprint(length, " entries"), func(b *testing.B) {
			benchBackends(b, func(b *testing.B, backend state.Backend) {
				fill(b, backend)
				random := rand.New(rand.NewPCG(2, 2))
				var from, to []byte
				b.ReportAllocs()
				b.ResetTimer()
				cpu := cpuTime()
				for range b.N {
					i := random.IntN(benchKeys - length)
					from, to = benchKey(from, i), benchKey(to, i+length)
					n := 0
					err := backend.Scan(from, to, func(_, _ []byte) (bool, error) { n++; return true, nil })
					if err != nil || n != length {
						b.Fatal(n, err)
					}
				}
				reportCPU(b, cpu)
			})
		})
	}
}
