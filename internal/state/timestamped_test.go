package state_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
)

// timed is a value of the model; seq is its place among those of its time.
type timed struct {
	At    int64
	Value string
}

type timelines map[string][]timed

func (m timelines) clone() timelines {
	out := timelines{}
	for k, items := range m {
		if len(items) > 0 {
			out[k] = slices.Clone(items)
		}
	}
	return out
}

func (m timelines) rows() (n int) {
	for _, items := range m {
		n += len(items)
	}
	return n
}

// put is what Put has to do, in the most obvious way.
func (m timelines) put(key string, at int64, value string, o state.TimestampedOptions) bool {
	items := m[key]
	latest := int64(math.MinInt64 / 2)
	for _, it := range items {
		latest = max(latest, it.At)
	}
	if !o.Index && at < latest-o.Grace {
		return false
	}
	if i := slices.IndexFunc(items, func(it timed) bool { return it.At == at }); i >= 0 && !o.Duplicates {
		items[i].Value = value
		return true
	}
	items = append(items, timed{at, value})
	slices.SortStableFunc(items, func(a, b timed) int { return cmp.Compare(a.At, b.At) })
	if !o.Index {
		items = slices.DeleteFunc(items, func(it timed) bool { return it.At < max(latest, at)-o.Grace })
	}
	m[key] = items
	return true
}

// K-60 to K-63.
//
// A timestamped store behaves like sorted lists, in any order of changes, flushes, commits, evictions, crashes and
// restarts, and however little of a key is in memory.
func TestATimestampedStoreBehavesLikeSortedLists(t *testing.T) {
	longtest.Seeds(t, longtest.Cases(100, 200), timestampedModel)
}

func timestampedModel(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	backend, reopen := modelBackend(t, random)
	space := state.Space{Name: "times", Backend: backend, Prefix: []byte("\x02"), CacheBytes: random.Int64N(3000)}
	options := state.TimestampedOptions{
		Grace: random.Int64N(60), Duplicates: random.IntN(2) == 0, Index: random.IntN(2) == 0,
		Tail: 1 + random.IntN(5), Ahead: random.Int64N(50),
	}
	s := state.OpenTimestamped(space, codec.String(), options)
	cp := &checkpoint{backend: backend, prefix: "\x02"}
	live, flushed, committed := timelines{}, timelines{}, timelines{}
	removed := map[string]int64{}
	keys := modelKeys[:1+random.IntN(len(modelKeys))]
	for step := range 500 {
		key := keys[random.IntN(len(keys))]
		if err := s.Place([]byte(key)); err != nil {
			t.Fatal(err)
		}
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("seed %d, step %d, %+v, key %q: %s", seed, step, options, key, fmt.Sprintf(format, args...))
		}
		at := int64(step)/4 + random.Int64N(40) - 30
		switch random.IntN(16) {
		case 0, 1, 2, 3, 4:
			if limit, ok := removed[key]; ok && at <= limit {
				continue
			}
			value := fmt.Sprint(step)
			got, err := s.Put(at, &value)
			if want := live.put(key, at, fmt.Sprint(step), options); err != nil || got != want {
				fail("Put at %d: %v, %v; want %v", at, got, err, want)
			}
		case 5, 6:
			got, err := s.Before(at)
			if err != nil {
				t.Fatal(err)
			}
			var want *timed
			for i := range live[key] {
				if live[key][i].At <= at {
					want = &live[key][i]
				}
			}
			if (got == nil) != (want == nil) || got != nil && (got.At != want.At || got.Value != want.Value) {
				fail("Before %d: %+v, want %+v", at, got, want)
			}
		case 7, 8:
			to := at + random.Int64N(20)
			got, err := s.Between(at, to)
			if err != nil {
				t.Fatal(err)
			}
			var have, want []timed
			for i := range got {
				have = append(have, timed{got[i].At, got[i].Value})
				if random.IntN(4) == 0 {
					got[i].Value += "+"
					s.Changed(&got[i])
				}
			}
			for i := range live[key] {
				if it := &live[key][i]; it.At >= at && it.At <= to {
					want = append(want, *it)
				}
			}
			if diff := gocmp.Diff(want, have); diff != "" {
				fail("Between %d and %d (-want +got):\n%s", at, to, diff)
			}
			n := 0
			for i := range live[key] {
				if it := &live[key][i]; it.At >= at && it.At <= to {
					it.Value = got[n].Value
					n++
				}
			}
		case 9:
			if !options.Index {
				continue
			}
			limit := int64(step)/4 - 15 - random.Int64N(30)
			for {
				due, ok, err := s.Due(limit)
				if err != nil {
					t.Fatal(err)
				}
				wantKey, wantAt := "", int64(math.MaxInt64)
				for _, k := range slices.Sorted(maps.Keys(live)) {
					if len(live[k]) > 0 && live[k][0].At < wantAt {
						wantKey, wantAt = k, live[k][0].At
					}
				}
				if ok != (wantAt <= limit) || ok && due != wantKey {
					fail("Due by %d: %q, %v; want %q at %d", limit, due, ok, wantKey, wantAt)
				}
				if !ok {
					break
				}
				until := wantAt + random.Int64N(10)
				if err := s.RemoveFirst(until); err != nil {
					t.Fatal(err)
				}
				removed[due] = max(removed[due], until)
				live[due] = slices.DeleteFunc(live[due], func(it timed) bool { return it.At <= until })
			}
		case 10, 11:
			cp.flush(t, s)
			flushed = live.clone()
		case 12, 13:
			cp.commit(t, s)
			committed = flushed.clone()
			rows := committed.rows()
			if options.Index {
				rows += len(committed)
			}
			if n := len(scanAll(t, backend, []byte("\x02"), []byte("\x03"))); n != rows {
				fail("%d rows, want %d", n, rows)
			}
		case 14:
			if random.IntN(2) == 0 {
				s.Discard()
			} else {
				backend = reopen()
				space.Backend, cp.backend = backend, backend
				s = state.OpenTimestamped(space, codec.String(), options)
			}
			cp.changes = nil
			live, flushed = committed.clone(), committed.clone()
		}
	}
}
