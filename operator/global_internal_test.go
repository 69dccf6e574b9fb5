package operator

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Rows are those of a map, whatever was set and deleted, while the table grows and readers look on: a reader finds a value that
// the key had at some time while it looked, and always one of a key that is never deleted.
func TestSharedRowsAreThoseOfAMap(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		rows, model := newSharedRows[int](), map[string]int{}
		keys := 1 + random.IntN(1000)
		for i := range random.IntN(3000) {
			key := fmt.Append(nil, "key ", random.IntN(keys))
			if random.IntN(3) == 0 {
				rows.delete(key)
				delete(model, string(key))
			} else {
				rows.set(key, i)
				model[string(key)] = i
			}
			key = fmt.Append(nil, "key ", random.IntN(keys))
			want, ok := model[string(key)]
			got := rows.get(key)
			if ok != (got != nil) || ok && *got != want {
				t.Fatalf("seed %d, step %d: %s is %v, and not %d, %v", seed, i, key, got, want, ok)
			}
		}
		if got := maps.Collect(rows.all()); rows.count.Load() != int64(len(model)) || !cmp.Equal(model, got) {
			t.Fatalf("seed %d: %d rows (-want +got):\n%s", seed, rows.count.Load(), cmp.Diff(model, got))
		}
	}
}

func TestReadersSeeEachRowAsItWasOrIs(t *testing.T) {
	const kept, rounds = 200, 5_000 // a table that begins with 64 chains grows seven times
	rows := newSharedRows[[2]uint32]()
	key := func(buffer []byte, n int) []byte { return binary.BigEndian.AppendUint32(buffer[:0], uint32(n)) }
	var latest [kept]atomic.Uint32 // at least what a reader that begins now has to find
	for i := range kept {
		rows.set(key(nil, i), [2]uint32{})
	}
	var readers sync.WaitGroup
	var over atomic.Bool
	var lookups atomic.Int64
	for r := range 2 {
		readers.Go(func() {
			random, buffer := rand.New(rand.NewPCG(uint64(r), 0)), []byte(nil)
			for !over.Load() {
				n := random.IntN(2 * kept)
				var atLeast uint32
				if n < kept {
					atLeast = latest[n].Load()
				}
				buffer = key(buffer, n)
				switch row := rows.get(buffer); {
				case row == nil && n < kept:
					t.Errorf("key %d is not there", n)
					return
				case row == nil:
				case row[0] != row[1] || row[0] < atLeast:
					t.Errorf("key %d is %v, and was %d before", n, *row, atLeast)
					return
				}
				lookups.Add(1)
			}
		})
	}
	random := rand.New(rand.NewPCG(9, 9))
	var buffer []byte
	for i := range rounds {
		n := random.IntN(kept)
		buffer = key(buffer, n)
		rows.set(buffer, [2]uint32{uint32(i), uint32(i)})
		latest[n].Store(uint32(i))
		// Keys that come and go, around those that stay.
		buffer = key(buffer, kept+random.IntN(kept))
		if random.IntN(2) == 0 {
			rows.delete(buffer)
		} else {
			rows.set(buffer, [2]uint32{uint32(i), uint32(i)})
		}
		rows.set(key(buffer, 10_000+i), [2]uint32{}) // so that it grows
	}
	for lookups.Load() < 1000 && !t.Failed() { // on a busy machine the readers may come late
		runtime.Gosched()
	}
	over.Store(true)
	readers.Wait()
}
