package state_test

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
)

// modelVersions is what a versioned store should hold: all versions of a key that were ever accepted, by time. A deletion is a 0.
type modelVersions struct {
	keys map[string]map[int64]int
	now  int64 // -1 before the first version
}

func (m modelVersions) clone() modelVersions {
	keys := map[string]map[int64]int{}
	for key, versions := range m.keys {
		keys[key] = maps.Clone(versions)
	}
	return modelVersions{keys, m.now}
}

func (m *modelVersions) put(key string, record, at, retention int64, value int) bool {
	if m.now < 0 {
		m.now = record
	}
	if at < m.now-retention {
		return false
	}
	if m.keys[key] == nil {
		m.keys[key] = map[int64]int{}
	}
	m.keys[key][at] = value
	return true
}

// asOf returns the last version up to a time, unless one that follows it is as old as the retention.
func (m *modelVersions) asOf(key string, at, retention int64) (int, bool) {
	found := 0
	for _, time := range slices.Sorted(maps.Keys(m.keys[key])) {
		switch {
		case time <= at:
			found = m.keys[key][time]
		case time+retention <= m.now:
			return 0, false
		default:
			return found, found != 0
		}
	}
	return found, found != 0
}

// rows returns how many versions have not expired.
func (m *modelVersions) rows(retention int64) (n int) {
	for _, versions := range m.keys {
		times := slices.Sorted(maps.Keys(versions))
		for i, time := range times {
			until := time
			if versions[time] != 0 && i+1 < len(times) {
				until = times[i+1]
			}
			if versions[time] != 0 && i+1 == len(times) || until+retention > m.now {
				n++
			}
		}
	}
	return n
}

// A versioned store behaves like all versions in a map, in any order of changes, checkpoints, evictions, crashes and restarts, and keeps no
// row of a version that has expired.
func TestAVersionedStoreBehavesLikeAllVersions(t *testing.T) {
	longtest.Seeds(t, 100, func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		backend, reopen := modelBackend(t, random)
		retention := 1 + random.Int64N(30)
		handle := state.NewVersioned[int]("versions", time.Duration(retention)*time.Millisecond)
		space := state.Space{Name: "versions", Backend: backend, Prefix: []byte("\x02"), CacheBytes: random.Int64N(1500)}
		v := handle.Open(space)
		cp := &checkpoint{backend: backend, prefix: "\x02"}
		live := modelVersions{map[string]map[int64]int{}, -1}
		committed := live.clone()
		clock := int64(0)
		for step := range 400 {
			clock += random.Int64N(4)
			record := max(0, clock-random.Int64N(10))
			key := modelKeys[random.IntN(len(modelKeys))]
			if err := v.Enter([]byte(key), record); err != nil {
				t.Fatal(err)
			}
			if live.now >= 0 {
				live.now = max(live.now, record)
			}
			at := record + random.Int64N(20) - random.Int64N(40)
			check := func(at int64) {
				t.Helper()
				want, has := live.asOf(key, at, retention)
				if got, ok := v.AsOf(at); got != want || ok != has {
					t.Fatalf("seed %d, step %d: %q at %d is %d, %v; want %d, %v", seed, step, key, at, got, ok, want, has)
				}
			}
			check(at)
			want, has := live.asOf(key, 1<<40, retention)
			if got, ok := v.Latest(); got != want || ok != has {
				t.Fatalf("seed %d, step %d: %q is %d, %v; want %d, %v", seed, step, key, got, ok, want, has)
			}
			put := func(value int, put func() bool) {
				want := live.put(key, record, at, retention, value)
				if got := put(); got != want {
					t.Fatalf("seed %d, step %d: put %q at %d: %v; want %v", seed, step, key, at, got, want)
				}
				check(at)
				check(at - 1)
			}
			switch random.IntN(12) {
			case 0, 1, 2, 3, 4:
				put(step+1, func() bool { return v.Put(at, step+1) })
			case 5, 6:
				put(0, func() bool { return v.Delete(at) })
			case 7, 8, 9:
				cp.flush(t, v)
				cp.commit(t, v)
				committed = live.clone()
				rows := 0
				for _, p := range scanAll(t, backend, []byte("\x02"), []byte("\x03")) {
					if p.Key[1] == 's' {
						rows++
					}
				}
				if want := live.rows(retention); rows != want {
					t.Fatalf("seed %d, step %d: %d rows, want %d", seed, step, rows, want)
				}
			case 10:
				v.Discard()
				cp.changes = nil
				live = committed.clone()
			case 11:
				backend = reopen()
				space.Backend, cp.backend = backend, backend
				v = handle.Open(space)
				live = committed.clone()
			}
			if err := v.Err(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A version whose time is too far ahead of the clock would be the latest for as long: it is refused. A null is a deletion.
func TestVersionsAheadOfTheClockAreRefused(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	space := state.Space{Name: "v", Backend: state.NewMemory(), Prefix: []byte{1}, Now: func() time.Time { return now }}
	v := state.NewVersioned[*int]("v", time.Hour).MaxFutureSkew(time.Minute).Open(space)
	if err := v.Enter([]byte("k"), now.UnixMilli()); err != nil {
		t.Fatal(err)
	}
	one := 1
	for at, want := range map[time.Duration]bool{time.Minute + time.Millisecond: false, time.Minute: true, -time.Hour - time.Millisecond: false, -time.Hour: true} {
		if got := v.Put(now.Add(at).UnixMilli(), &one); got != want {
			t.Errorf("put at %v: %v", at, got)
		}
	}
	if !v.Put(now.Add(time.Minute).UnixMilli(), nil) {
		t.Error("a null was refused")
	}
	if got, ok := v.Latest(); ok {
		t.Errorf("after a null: %v", got)
	}
	if _, ok := v.AsOf(now.UnixMilli()); !ok {
		t.Error("the version before is gone")
	}
}

func TestVersionsNeedARetention(t *testing.T) {
	_, err := state.Declared(state.Handle[*state.Versioned[int]](state.NewVersioned[int]("v", 0)))
	if err == nil || errors.Is(err, state.ErrRead) {
		t.Errorf("%v", err)
	}
}
