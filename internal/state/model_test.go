package state_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
)

// modelKeys are keys that a layout could mix up.
var modelKeys = []string{"", "a", "aa", "ab", "b", "\x00", "\x00\x00", "a\x00", "\xff", "\xff\xff", "w", "w\x01a"}

// change is what a Flush emitted.
type change struct {
	key, value string
	deletes    bool
}

// checkpoint collects what a store flushes, and writes it to a database under the prefix of the store.
type checkpoint struct {
	backend state.Backend
	prefix  string
	changes []change
}

func (c *checkpoint) flush(t *testing.T, s state.Store) {
	t.Helper()
	if err := s.Flush(func(key, value []byte) error {
		c.changes = append(c.changes, change{string(key), string(value), value == nil})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n := s.DirtyBytes(); n != 0 {
		t.Fatalf("%d dirty bytes after a flush", n)
	}
}

func (c *checkpoint) commit(t *testing.T, s state.Store) {
	t.Helper()
	b := c.backend.NewBatch()
	defer b.Close()
	for _, x := range c.changes {
		var err error
		if x.deletes {
			err = b.Delete([]byte(c.prefix + x.key))
		} else {
			err = b.Set([]byte(c.prefix+x.key), []byte(x.value))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Commit(false); err != nil {
		t.Fatal(err)
	}
	c.changes = nil
	s.Committed()
}

// modelBackend returns a memory or Pebble database with a neighbour's rows on both sides of the prefix.
func modelBackend(t *testing.T, random *rand.Rand) (state.Backend, func() state.Backend) {
	b := state.NewMemory()
	reopen := func() state.Backend { return b }
	if random.IntN(20) == 0 {
		b, reopen = reopenable(t, state.PebbleConfig{FS: vfs.NewMem(), MemTableBytes: 64 << 10}, "task")
	}
	commit(t, b, false, "\x01w\x00", "neighbour", "\x03", "neighbour", "\x03w\x00", "neighbour")
	return b, reopen
}

// A cell behaves like a map, in any order of changes, flushes, commits, evictions, crashes and restarts.
func TestACellBehavesLikeAMap(t *testing.T) {
	longtest.Seeds(t, 60, cellModel)
}

func cellModel(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	backend, reopen := modelBackend(t, random)
	handle := state.NewCell[string]("cell")
	space := state.Space{Name: "cell", Backend: backend, Prefix: []byte("\x02"), CacheBytes: random.Int64N(1000)}
	c := handle.Open(space)
	cp := &checkpoint{backend: backend, prefix: "\x02"}
	live, flushed, committed := map[string]string{}, map[string]string{}, map[string]string{}
	var order []string // first changes since the flush
	changed := func(key string) {
		if !slices.Contains(order, key) {
			order = append(order, key)
		}
	}
	for step := range 400 {
		key := modelKeys[random.IntN(len(modelKeys))]
		if err := c.Place([]byte(key)); err != nil {
			t.Fatal(err)
		}
		got, ok := c.Get()
		if want, has := live[key]; got != want || ok != has {
			t.Fatalf("seed %d, step %d: %q is %q, %v; want %q, %v", seed, step, key, got, ok, want, has)
		}
		switch random.IntN(16) {
		case 0, 1, 2, 3, 4, 5:
			v := fmt.Sprint(step)
			if random.IntN(4) == 0 {
				v = "" // empty is not absent
			}
			c.Set(v)
			live[key] = v
			changed(key)
		case 6, 7:
			c.Delete()
			delete(live, key)
			changed(key)
		case 8, 9:
			before := len(cp.changes)
			cp.flush(t, c)
			var keys, want []string
			for _, x := range cp.changes[before:] {
				keys = append(keys, x.key)
				if v, has := live[x.key[1:]]; !x.deletes && x.value != "\x00"+v || x.deletes == has {
					t.Fatalf("seed %d, step %d: flushed %+v, want %q, %v", seed, step, x, v, has)
				}
			}
			for _, key := range order {
				_, has := live[key]
				_, had := flushed[key]
				if has || had { // what was never stored needs no tombstone
					want = append(want, "s"+key)
				}
			}
			if diff := cmp.Diff(want, keys); diff != "" {
				t.Fatalf("seed %d, step %d: order of a flush (-want +got):\n%s", seed, step, diff)
			}
			order, flushed = nil, maps.Clone(live)
		case 10, 11:
			cp.commit(t, c)
			committed = maps.Clone(flushed)
			rows := map[string]string{}
			for _, p := range scanAll(t, backend, []byte("\x02"), []byte("\x03")) {
				rows[p.Key[2:]] = p.Value[1:]
			}
			if diff := cmp.Diff(committed, rows); diff != "" {
				t.Fatalf("seed %d, step %d: database (-want +got):\n%s", seed, step, diff)
			}
		case 12:
			c.Discard()
			if n := c.DirtyBytes(); n != 0 {
				t.Fatalf("%d dirty bytes after Discard", n)
			}
			cp.changes, order = nil, nil
			live, flushed = maps.Clone(committed), maps.Clone(committed)
		case 13:
			backend = reopen()
			space.Backend, cp.backend = backend, backend
			c = handle.Open(space)
			cp.changes, order = nil, nil
			live, flushed = maps.Clone(committed), maps.Clone(committed)
		}
	}
}

// modelWindow is one window of one key.
type modelWindow struct {
	Latest int64
	Acc    string
}

type modelWindows map[string]map[int64]modelWindow

func (m modelWindows) clone() modelWindows {
	out := modelWindows{}
	for k, w := range m {
		if len(w) > 0 {
			out[k] = maps.Clone(w)
		}
	}
	return out
}

// A windowed store behaves like a map of sorted maps.
func TestAWindowedStoreBehavesLikeSortedMaps(t *testing.T) {
	longtest.Seeds(t, 60, windowedModel)
}

func windowedModel(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	backend, reopen := modelBackend(t, random)
	space := state.Space{Name: "windows", Backend: backend, Prefix: []byte("\x02"), CacheBytes: random.Int64N(1500)}
	s := state.OpenWindowed(space, codec.String())
	cp := &checkpoint{backend: backend, prefix: "\x02"}
	live, flushed, committed := modelWindows{}, modelWindows{}, modelWindows{}
	stored := map[string]bool{} // rows that were flushed or committed
	storedCommitted := map[string]bool{}
	for step := range 400 {
		key := modelKeys[random.IntN(len(modelKeys))]
		k, err := s.Place([]byte(key))
		if err != nil {
			t.Fatal(err)
		}
		want := live[key]
		if want == nil {
			want = map[int64]modelWindow{}
			live[key] = want
		}
		got, latest := map[int64]modelWindow{}, int64(state.NoTime)
		for i, w := range k.Open {
			got[w.Start] = modelWindow{w.Latest, w.Acc}
			latest = max(latest, w.Latest)
			if i > 0 && k.Open[i-1].Start >= w.Start {
				t.Fatalf("seed %d, step %d: windows of %q are out of order", seed, step, key)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d, step %d: windows of %q (-want +got):\n%s", seed, step, key, diff)
		}
		if k.Latest != latest {
			t.Fatalf("seed %d, step %d: latest of %q is %d, want %d", seed, step, key, k.Latest, latest)
		}
		switch random.IntN(16) {
		case 0, 1, 2, 3, 4, 5:
			start := (random.Int64N(12) - 4) * 10 // negative ones too
			at := start + random.Int64N(10)
			w, isNew := s.Update(start, at)
			old, has := want[start]
			if isNew == has || !has && w.Acc != "" {
				t.Fatalf("seed %d, step %d: window %d of %q: new %v, accumulator %q", seed, step, start, key, isNew, w.Acc)
			}
			if !has {
				old.Latest = at
			}
			w.Acc += fmt.Sprint(step, ",")
			want[start] = modelWindow{max(old.Latest, at), old.Acc + fmt.Sprint(step, ",")}
		case 6, 7, 8:
			// As operators do: the window of the latest time is not closed yet.
			if len(k.Open) > 1 && k.Open[0].Latest < k.Latest {
				w := s.RemoveFirst()
				if diff := cmp.Diff(want[w.Start], modelWindow{w.Latest, w.Acc}); diff != "" || w.Start != slices.Min(slices.Collect(maps.Keys(want))) {
					t.Fatalf("seed %d, step %d: removed window %d of %q:\n%s", seed, step, w.Start, key, diff)
				}
				delete(want, w.Start)
			}
		case 9, 10:
			before := len(cp.changes)
			cp.flush(t, s)
			for _, x := range cp.changes[before:] {
				if x.deletes && !stored[x.key] {
					t.Fatalf("seed %d, step %d: tombstone for %q, which was never stored", seed, step, x.key)
				}
				stored[x.key] = !x.deletes
			}
			flushed = live.clone()
		case 11, 12:
			cp.commit(t, s)
			committed, storedCommitted = flushed.clone(), maps.Clone(stored)
			rows := 0
			for _, w := range committed {
				rows += len(w)
			}
			if n := len(scanAll(t, backend, []byte("\x02"), []byte("\x03"))); n != rows {
				t.Fatalf("seed %d, step %d: %d rows, want %d", seed, step, n, rows)
			}
		case 13, 14:
			if random.IntN(2) == 0 {
				s.Discard()
			} else {
				backend = reopen()
				space.Backend, cp.backend = backend, backend
				s = state.OpenWindowed(space, codec.String())
			}
			cp.changes = nil
			live, flushed, stored = committed.clone(), committed.clone(), maps.Clone(storedCommitted)
		}
	}
}
