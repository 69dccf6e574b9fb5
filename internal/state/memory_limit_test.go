package state_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
)

// heapAfter returns the memory that is in use after a garbage collection, in bytes.
func heapAfter() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// checkpointed flushes a store into a backend.
func checkpointed(t *testing.T, backend state.Backend, prefix []byte, s state.Store) {
	t.Helper()
	batch := backend.NewBatch()
	defer batch.Close()
	var row []byte
	err := s.Flush(func(key, value []byte) error {
		row = append(append(row[:0], prefix...), key...)
		if value == nil {
			return batch.Delete(row)
		}
		return batch.Set(row, value)
	})
	if err == nil {
		err = batch.Commit(false)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Committed()
}

type blob struct {
	Name string
	Data []byte
	Tags map[string]any
}

// A store takes CacheBytes for what is at rest, and says how much has changed, whatever its values refer to: loaded, written and
// new ones. 1,500 keys of 20 KB would take 30 MB.
func TestWhatStatesReferToCounts(t *testing.T) {
	const size, cacheBytes = 20_000, 1 << 20
	keys := longtest.Cases(1500, 5000)
	data := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i%26)}, size) }
	for name, open := range map[string]func(space state.Space) (state.Store, func(key []byte, i int) error){
		"cell of bytes": func(space state.Space) (state.Store, func([]byte, int) error) {
			s := state.NewCell[[]byte]("s").Open(space)
			return s, func(key []byte, i int) error {
				err := s.Enter(key, int64(i))
				s.Set(data(i))
				return err
			}
		},
		"cell of a struct": func(space state.Space) (state.Store, func([]byte, int) error) {
			s := state.NewCell[*blob]("s").WithCodec(codec.JSON[*blob]()).Open(space)
			return s, func(key []byte, i int) error {
				err := s.Enter(key, int64(i))
				s.Set(&blob{Name: "n", Tags: map[string]any{"t": string(data(i))}})
				return err
			}
		},
		"map": func(space state.Space) (state.Store, func([]byte, int) error) {
			s := state.NewMap[int, string]("s").Open(space)
			return s, func(key []byte, i int) error {
				err := s.Enter(key, int64(i))
				s.Set(i, string(data(i)))
				return err
			}
		},
		"windows": func(space state.Space) (state.Store, func([]byte, int) error) {
			s := state.OpenWindowed(space, codec.Bytes())
			return s, func(key []byte, i int) error {
				_, err := s.Place(key)
				if err == nil {
					w, _ := s.Update(int64(i/1000), int64(i))
					w.Acc = data(i)
				}
				return err
			}
		},
		"timestamped": func(space state.Space) (state.Store, func([]byte, int) error) {
			s := state.OpenTimestamped(space, codec.Bytes(), state.TimestampedOptions{Grace: 10})
			return s, func(key []byte, i int) error {
				err := s.Place(key)
				if err == nil {
					value := data(i)
					_, err = s.Put(int64(i), &value)
				}
				return err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPebble(t, state.PebbleConfig{CacheBytes: 1 << 20, MaxTasks: 1})
			backend := openBackend(t, p, t.TempDir())
			prefix := []byte{1}
			s, put := open(state.Space{Name: "s", Backend: backend, Prefix: prefix, CacheBytes: cacheBytes})
			before := heapAfter()
			for i := range keys {
				if err := put(fmt.Appendf(nil, "%05d", i), i); err != nil {
					t.Fatal(err)
				}
				if i == 9 {
					if dirty := s.DirtyBytes(); dirty < 10*size || dirty > 10*size*3 {
						t.Fatalf("%d bytes have changed, of 10 states of %d bytes", dirty, size)
					}
				}
				if s.DirtyBytes() >= 1<<20 {
					checkpointed(t, backend, prefix, s)
				}
			}
			checkpointed(t, backend, prefix, s)
			if used := heapAfter() - before; used > 12<<20 {
				t.Errorf("%d MiB are in use at rest", used>>20)
			}
			// What is read again counts too.
			for i := range keys {
				if err := put(fmt.Appendf(nil, "%05d", i), i); err != nil {
					t.Fatal(err)
				}
				if s.DirtyBytes() >= 1<<20 {
					checkpointed(t, backend, prefix, s)
				}
			}
			checkpointed(t, backend, prefix, s)
			if used := heapAfter() - before; used > 12<<20 {
				t.Errorf("%d MiB are in use at rest, after all were read again", used>>20)
			}
			runtime.KeepAlive(s)
		})
	}
}

// An accumulator that grows while records come counts with what it has grown to.
func TestAnAccumulatorThatGrowsCounts(t *testing.T) {
	backend := state.NewMemory()
	s := state.OpenWindowed(state.Space{Name: "w", Backend: backend, Prefix: []byte{1}, CacheBytes: 1 << 20}, codec.JSON[map[string]string]())
	for i := range 100 {
		if _, err := s.Place([]byte("k")); err != nil {
			t.Fatal(err)
		}
		w, _ := s.Update(0, int64(i))
		if w.Acc == nil {
			w.Acc = map[string]string{}
		}
		w.Acc[fmt.Sprint(i)] = string(make([]byte, 1000))
	}
	if n := s.DirtyBytes(); n < 90_000 || n > 300_000 {
		t.Errorf("%d bytes have changed, want about 100,000", n)
	}
	if _, err := s.Place([]byte("k")); err != nil {
		t.Fatal(err)
	}
	s.RemoveFirst()
	if n := s.DirtyBytes(); n > 2000 {
		t.Errorf("%d bytes have changed when the window is gone", n)
	}
}
