package state_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
)

// modelState is one state of a map, and when it expires.
type modelState struct {
	value   string
	expires int64
}

// modelMap is what a map should hold: key, field, state. now is the time that was reached.
type modelMap struct {
	states map[[2]string]modelState
	now    int64
}

func (m modelMap) clone() modelMap { return modelMap{maps.Clone(m.states), m.now} }

func (m modelMap) live(key string) map[string]string {
	all := map[string]string{}
	for id, s := range m.states {
		if id[0] == key && s.expires > m.now {
			all[id[1]] = s.value
		}
	}
	return all
}

const stays = math.MaxInt64

// A map behaves like a map of maps whose entries expire, in any order of changes, iterations, checkpoints, evictions,
// crashes and restarts. K-100 to K-102, K-105: what is expired is absent at once, for late records too, and leaves no row.
func TestAMapBehavesLikeAMapOfMaps(t *testing.T) {
	longtest.Seeds(t, 100, mapModel)
}

func mapModel(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	backend, reopen := modelBackend(t, random)
	handle := state.NewMap[string, string]("map")
	ttl := int64(0)
	if random.IntN(3) == 0 {
		ttl = 1 + random.Int64N(40)
		handle = handle.WithTTL(time.Duration(ttl) * time.Millisecond)
	}
	space := state.Space{Name: "map", Backend: backend, Prefix: []byte("\x02"), CacheBytes: random.Int64N(1500)}
	m := handle.Open(space)
	cp := &checkpoint{backend: backend, prefix: "\x02"}
	live := modelMap{map[[2]string]modelState{}, math.MinInt64}
	committed := live.clone()
	clock := int64(0)
	for step := range 400 {
		clock += random.Int64N(4)
		at := max(0, clock-random.Int64N(10))
		key := modelKeys[random.IntN(len(modelKeys))]
		field := modelKeys[random.IntN(len(modelKeys))]
		id := [2]string{key, field}
		if err := m.Enter([]byte(key), at); err != nil {
			t.Fatal(err)
		}
		if live.now != math.MinInt64 {
			live.now = max(live.now, at)
		}
		want, has := live.live(key)[field]
		if got, ok := m.Get(field); got != want || ok != has || m.Has(field) != has {
			t.Fatalf("seed %d, step %d: %q %q is %q, %v; want %q, %v", seed, step, key, field, got, ok, want, has)
		}
		set := func(expires int64) {
			if expires != stays && live.now == math.MinInt64 {
				live.now = at
			}
			live.states[id] = modelState{fmt.Sprint(step), expires}
		}
		switch random.IntN(16) {
		case 0, 1, 2, 3:
			m.Set(field, fmt.Sprint(step))
			if ttl > 0 {
				set(at + ttl)
			} else {
				set(stays)
			}
		case 4, 5, 6:
			d := 1 + random.Int64N(30)
			m.SetFor(field, fmt.Sprint(step), time.Duration(d)*time.Millisecond)
			set(at + d)
		case 7:
			m.Delete(field)
			delete(live.states, id)
		case 8:
			m.Clear()
			maps.DeleteFunc(live.states, func(id [2]string, _ modelState) bool { return id[0] == key })
		case 9, 10:
			got := map[string]string{}
			var order []string
			for f, s := range m.All() {
				got[f] = s
				order = append(order, f)
				if random.IntN(8) == 0 { // while it is iterated over
					m.Delete(f)
					delete(live.states, [2]string{key, f})
				} else if random.IntN(8) == 0 {
					m.Set(f, "changed")
					if ttl > 0 {
						live.states[[2]string{key, f}] = modelState{"changed", at + ttl}
					} else {
						live.states[[2]string{key, f}] = modelState{"changed", stays}
					}
				}
			}
			for f, s := range live.live(key) {
				if s == "changed" {
					if _, ok := got[f]; ok {
						got[f] = s
					}
				}
			}
			for f := range got {
				if _, ok := live.live(key)[f]; !ok {
					delete(got, f) // deleted, or expired when it was set again
				}
			}
			if diff := cmp.Diff(live.live(key), got); diff != "" || !slices.IsSorted(order) {
				t.Fatalf("seed %d, step %d: all of %q, in the order %q (-want +got):\n%s", seed, step, key, order, diff)
			}
		case 11, 12, 13:
			cp.flush(t, m)
			cp.commit(t, m)
			maps.DeleteFunc(live.states, func(_ [2]string, s modelState) bool { return s.expires <= live.now })
			committed = live.clone()
			rows, expiring, index := 0, 0, 0
			for _, p := range scanAll(t, backend, []byte("\x02"), []byte("\x03")) {
				switch p.Key[1] {
				case 's':
					rows++
				case 'x':
					index++
				}
			}
			for _, s := range committed.states {
				if s.expires != stays {
					expiring++
				}
			}
			if rows != len(committed.states) || index != expiring {
				t.Fatalf("seed %d, step %d: %d rows and %d in the index, want %d and %d", seed, step, rows, index, len(committed.states), expiring)
			}
		case 14:
			m.Discard()
			cp.changes = nil
			live = committed.clone()
		case 15:
			backend = reopen()
			space.Backend, cp.backend = backend, backend
			m = handle.Open(space)
			live = committed.clone()
		}
		if err := m.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// EX-54, K-100, K-101, K-102: a time to live in event time.
func TestAStateExpiresInEventTime(t *testing.T) {
	backend := state.NewMemory()
	space := state.Space{Name: "c", Backend: backend, Prefix: []byte{1}, CacheBytes: 1 << 20}
	c := state.NewCell[int]("c").Open(space)
	enter := func(key string, at int64) {
		t.Helper()
		if err := c.Enter([]byte(key), at); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what string, want int, has bool) {
		t.Helper()
		if got, ok := c.Get(); got != want || ok != has {
			t.Errorf("%s: %d, %v; want %d, %v", what, got, ok, want, has)
		}
	}
	enter("a", 1000)
	c.SetFor(1, 100*time.Millisecond)
	enter("other", 1099)
	enter("a", 1050)
	expect("before it expires", 1, true)
	enter("other", 1100)
	enter("a", 1050)
	expect("K-101: a late record, after it has expired", 0, false)
	enter("b", 10)
	c.SetFor(2, 1500*time.Microsecond)
	expect("of a record that comes after it would expire", 0, false)

	enter("c", 2000)
	c.SetFor(3, time.Millisecond)
	c.Set(4)
	enter("other", 1<<40)
	enter("c", 2000)
	expect("K-102: a plain Set makes it stay", 4, true)

	cp := &checkpoint{backend: backend, prefix: "\x01"}
	cp.flush(t, c)
	cp.commit(t, c)
	for _, p := range scanAll(t, backend, []byte{1}, []byte{2}) {
		if p.Key != "\x01sc" && p.Key != "\x01m" {
			t.Errorf("row %q is left of states that have expired", p.Key)
		}
	}
	c = state.NewCell[int]("c").Open(space)
	enter("d", 5)
	c.SetFor(5, time.Hour)
	expect("D-K9: the time that was reached, after a restart", 0, false)
}

// D-60, K-100: 1.5 ms at 10 expires at 12.
func TestATimeToLiveIsRoundedUp(t *testing.T) {
	c := state.NewCell[int]("c").WithTTL(1500 * time.Microsecond).Open(state.Space{Backend: state.NewMemory(), Prefix: []byte{1}})
	for _, step := range []struct {
		at   int64
		want bool
	}{{11, true}, {12, false}} {
		if err := c.Enter([]byte("k"), 10); err != nil {
			t.Fatal(err)
		}
		if step.at == 11 {
			c.Set(1)
		}
		if err := c.Enter([]byte("k"), step.at); err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Get(); ok != step.want {
			t.Errorf("at %d: %v, want %v", step.at, ok, step.want)
		}
	}
}

// K-100: ttl must be positive.
func TestATimeToLiveIsPositive(t *testing.T) {
	c := state.NewCell[int]("c").Open(state.Space{Backend: state.NewMemory(), Prefix: []byte{1}})
	if err := c.Enter([]byte("k"), 0); err != nil {
		t.Fatal(err)
	}
	for _, ttl := range []time.Duration{0, -time.Second} {
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), `store "c"`) {
					t.Errorf("SetFor(%v) panics with %v", ttl, p)
				}
			}()
			c.SetFor(1, ttl)
		}()
		if _, err := state.Declared(state.NewCell[int]("c").WithTTL(ttl)); err == nil {
			t.Errorf("WithTTL(%v) is taken", ttl)
		}
	}
}

// A broken clock does not expire what everybody else has.
func TestATimeBeyondTheYear9999ExpiresNothing(t *testing.T) {
	c := state.NewCell[int]("c").WithTTL(time.Hour).Open(state.Space{Backend: state.NewMemory(), Prefix: []byte{1}})
	for _, at := range []int64{0, math.MaxInt64, 1} {
		if err := c.Enter([]byte("k"), at); err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Get(); ok != (at != 0) {
			t.Errorf("at %d: %v", at, ok)
		}
		c.Set(1)
	}
}

// K-1, K-10, EX-49: reads see writes; a delete before a set is forgotten.
func TestReadsSeeWritesThatAreNotFlushed(t *testing.T) {
	backend := state.NewMemory()
	m := state.NewMap[string, *int]("m").Open(state.Space{Backend: backend, Prefix: []byte{1}, CacheBytes: 1 << 20})
	m.Place([]byte("k"))
	one := 1
	m.Set("a", &one)
	if got, ok := m.Get("a"); !ok || got != &one {
		t.Errorf("a is %v, %v", got, ok)
	}
	m.Delete("a")
	if _, ok := m.Get("a"); ok {
		t.Error("a is there after it was deleted")
	}
	m.Set("a", &one)
	cp := &checkpoint{backend: backend, prefix: "\x01"}
	cp.flush(t, m)
	if len(cp.changes) != 1 || cp.changes[0].deletes {
		t.Errorf("flushed %+v, want one state", cp.changes)
	}
}

// K-3, EX-48, D-K14: keys and fields that would be the same text when they are joined stay apart.
func TestKeysAndFieldsDoNotRunTogether(t *testing.T) {
	m := state.NewMap[string, int]("m").Open(state.Space{Backend: state.NewMemory(), Prefix: []byte{1}, CacheBytes: 1 << 20})
	pairs := [][2]string{{"a|b", "c"}, {"a", "b|c"}, {"", "a"}, {"a", ""}, {"ab", "c"}, {"a", "bc"}}
	for i, p := range pairs {
		m.Place([]byte(p[0]))
		m.Set(p[1], i)
	}
	for i, p := range pairs {
		m.Place([]byte(p[0]))
		if got, ok := m.Get(p[1]); !ok || got != i {
			t.Errorf("%q is %d, %v; want %d", p, got, ok, i)
		}
	}
}

// failing fails to encode the field "bad".
type failing struct{ codec.Codec[string] }

var errBadField = errors.New("bad field")

func (f failing) Append(dst []byte, c *codec.Context, v string) ([]byte, error) {
	if v == "bad" {
		return dst, errBadField
	}
	return f.Codec.Append(dst, c, v)
}

func TestAMapKeepsItsFirstErrorUntilTheNextKey(t *testing.T) {
	m := state.NewMap[string, int]("m").WithCodecs(failing{codec.String()}, nil).
		Open(state.Space{Backend: state.NewMemory(), Prefix: []byte{1}, CacheBytes: 1 << 20})
	m.Place([]byte("k"))
	m.Set("bad", 1)
	m.Set("good", 1)
	if m.Has("good") || !errors.Is(m.Err(), errBadField) || errors.Is(m.Err(), state.ErrRead) {
		t.Errorf("after an error: %v, %v", m.Has("good"), m.Err())
	}
	m.Place([]byte("k"))
	m.Set("good", 1)
	if !m.Has("good") || m.Err() != nil {
		t.Errorf("after the next key: %v, %v", m.Has("good"), m.Err())
	}
}

func TestAStateOfAMapThatDoesNotDecodeIsAnErrorThatNamesTheStore(t *testing.T) {
	backend := state.NewMemory()
	commit(t, backend, false, "\x01s\x01kf", "\x00short")
	m := state.NewMap[string, int]("m").Open(state.Space{Backend: backend, Prefix: []byte{1}})
	for name, read := range map[string]func(){
		"Get": func() { m.Get("f") },
		"All": func() {
			for f := range m.All() {
				t.Errorf("yields %q", f)
			}
		},
	} {
		m.Place([]byte("k"))
		read()
		if err := m.Err(); !errors.Is(err, state.ErrRead) || !strings.Contains(err.Error(), `store "m"`) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// K-104: a store that has states can be given a time to live later. Those that it has stay until they are set again.
func TestAStoreCanBeGivenATimeToLiveLater(t *testing.T) {
	backend := state.NewMemory()
	space := state.Space{Name: "c", Backend: backend, Prefix: []byte("\x02")}
	cp := &checkpoint{backend: backend, prefix: "\x02"}
	plain := state.NewCell[int]("c")
	c := plain.Open(space)
	for _, key := range []string{"a", "b"} {
		if err := c.Enter([]byte(key), 0); err != nil {
			t.Fatal(err)
		}
		c.Set(1)
	}
	cp.flush(t, c)
	cp.commit(t, c)
	c = plain.WithTTL(10 * time.Millisecond).Open(space)
	get := func(key string, millis int64) (int, bool) {
		t.Helper()
		if err := c.Enter([]byte(key), millis); err != nil {
			t.Fatal(err)
		}
		return c.Get()
	}
	if n, ok := get("a", 1000); !ok || n != 1 {
		t.Errorf("a state from before is %d, %v", n, ok)
	}
	c.Set(2)
	if n, ok := get("a", 1009); !ok || n != 2 {
		t.Errorf("the state is %d, %v", n, ok)
	}
	if _, ok := get("a", 1010); ok {
		t.Error("the state has not expired")
	}
	if n, ok := get("b", 1010); !ok || n != 1 {
		t.Errorf("a state from before is %d, %v", n, ok)
	}
}
