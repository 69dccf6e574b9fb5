package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
)

// backends opens each kind of Backend. reopen closes it and opens it again as a restarted task would.
var backends = []struct {
	name string
	open func(t *testing.T) (b state.Backend, reopen func() state.Backend)
}{
	{"memory", func(t *testing.T) (state.Backend, func() state.Backend) {
		b := state.NewMemory()
		return b, func() state.Backend {
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			return b
		}
	}},
	{"pebble", func(t *testing.T) (state.Backend, func() state.Backend) {
		// Small memtables make even short tests read from tables.
		return reopenable(t, state.PebbleConfig{FS: vfs.NewMem(), MemTableBytes: 64 << 10}, "task")
	}},
	{"pebble on disk", func(t *testing.T) (state.Backend, func() state.Backend) {
		return reopenable(t, state.PebbleConfig{}, t.TempDir())
	}},
}

func reopenable(t *testing.T, config state.PebbleConfig, dir string) (state.Backend, func() state.Backend) {
	p := newPebble(t, config)
	current := openBackend(t, p, dir)
	return current, func() state.Backend {
		t.Helper()
		if err := current.Close(); err != nil {
			t.Fatal(err)
		}
		current = openBackend(t, p, dir)
		return current
	}
}

// newPebble closes the Pebble when the test ends, after the databases opened with openBackend.
func newPebble(t testing.TB, config state.PebbleConfig) *state.Pebble {
	p := state.NewPebble(config)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func openBackend(t testing.TB, p *state.Pebble, dir string) state.Backend {
	t.Helper()
	b, err := p.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

type pair struct{ Key, Value string }

func scanAll(t testing.TB, b state.Backend, from, to []byte) []pair {
	t.Helper()
	var got []pair
	err := b.Scan(from, to, func(key, value []byte) (bool, error) {
		got = append(got, pair{string(key), string(value)})
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var back []pair
	err = b.ScanBack(from, to, func(key, value []byte) (bool, error) {
		back = append(back, pair{string(key), string(value)})
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(back)
	if diff := cmp.Diff(got, back); diff != "" {
		t.Fatalf("ScanBack differs from Scan (-Scan +ScanBack):\n%s", diff)
	}
	return got
}

// commit applies changes; a nil value deletes.
func commit(t testing.TB, b state.Backend, sync bool, changes ...any) {
	t.Helper()
	batch := b.NewBatch()
	for i := 0; i < len(changes); i += 2 {
		var err error
		if value, ok := changes[i+1].(string); ok {
			err = batch.Set([]byte(changes[i].(string)), []byte(value))
		} else {
			err = batch.Delete([]byte(changes[i].(string)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(batch.Commit(sync), batch.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestScanReturnsTheEntriesBetweenItsBoundsInOrder(t *testing.T) {
	changes := []any{"b", "2", "a", "1", "\x00", "nul", "\xff", "ff", "\xff\xff", "ffff", "a\x00", "a0", "ab", "12"}
	all := []pair{{"\x00", "nul"}, {"a", "1"}, {"a\x00", "a0"}, {"ab", "12"}, {"b", "2"}, {"\xff", "ff"}, {"\xff\xff", "ffff"}}
	tests := []struct {
		name     string
		from, to []byte
		want     []pair
	}{
		{"everything", nil, nil, all},
		{"everything from the empty key", []byte{}, nil, all},
		{"no upper bound", []byte("b"), nil, all[4:]},
		{"no lower bound", nil, []byte("b"), all[:4]},
		{"both", []byte("a"), []byte("ab"), all[1:3]},
		{"from between keys", []byte("aa"), []byte("c"), all[3:5]},
		{"upper bound of ff bytes", []byte("\xff"), []byte("\xff\xff"), all[5:6]},
		{"equal bounds", []byte("a"), []byte("a"), nil},
		{"reversed bounds", []byte("b"), []byte("a"), nil},
		{"empty upper bound", nil, []byte{}, nil},
		{"nothing there", []byte("c"), []byte("d"), nil},
	}
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			b, reopen := backend.open(t)
			commit(t, b, false, changes...)
			for range 2 {
				for _, test := range tests {
					if diff := cmp.Diff(test.want, scanAll(t, b, test.from, test.to)); diff != "" {
						t.Errorf("%s: (-want +got)\n%s", test.name, diff)
					}
				}
				b = reopen()
			}
		})
	}
}

func TestScanStopsWhenToldAndReturnsTheErrorOfItsFunction(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			b, _ := backend.open(t)
			commit(t, b, false, "a", "1", "b", "2", "c", "3")
			failure := errors.New("failure")
			for _, want := range []error{nil, failure} {
				calls := 0
				err := b.Scan(nil, nil, func(key, value []byte) (bool, error) {
					calls++
					return calls < 2, map[int]error{2: want}[calls]
				})
				if err != want || calls != 2 {
					t.Errorf("error %v after %d calls, want %v after 2", err, calls, want)
				}
			}
			if got := len(scanAll(t, b, nil, nil)); got != 3 {
				t.Errorf("the next scan returned %d entries, want 3", got)
			}
		})
	}
}

func TestScanSeesTheStateWhenItBeganWhileItsFunctionReadsScansAndCommits(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			b, _ := backend.open(t)
			commit(t, b, false, "a", "1", "b", "2", "c", "3")
			want := []pair{{"a", "1"}, {"b", "2"}, {"c", "3"}}
			var got []pair
			err := b.Scan(nil, nil, func(key, value []byte) (bool, error) {
				if now, err := b.Get(nil, []byte("a")); err != nil || string(now) != "1" && len(got) == 0 {
					t.Errorf("Get in a scan: %q, %v", now, err)
				}
				if len(got) == 0 {
					if diff := cmp.Diff(want, scanAll(t, b, nil, nil)); diff != "" {
						t.Errorf("scan in a scan: (-want +got)\n%s", diff)
					}
				}
				commit(t, b, false, "a", "changed", "b", nil, "c", "changed", "d", fmt.Sprint("new", len(got)))
				got = append(got, pair{string(key), string(value)})
				return true, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			after := []pair{{"a", "changed"}, {"c", "changed"}, {"d", "new2"}}
			if diff := cmp.Diff(after, scanAll(t, b, nil, nil)); diff != "" {
				t.Errorf("after the scan: (-want +got)\n%s", diff)
			}
		})
	}
}

func TestABatchTakesEffectAtCommitInTheOrderOfItsChanges(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			b, reopen := backend.open(t)
			commit(t, b, true, "kept", "1", "deleted", "1")
			batch := b.NewBatch()
			empty := batch.Len()
			key, value := []byte("key"), []byte("value")
			for _, err := range []error{
				batch.Set(key, value),
				batch.Delete([]byte("deleted")),
				batch.Set([]byte("twice"), []byte("first")), batch.Delete([]byte("twice")), batch.Set([]byte("twice"), []byte("last")),
				batch.Set([]byte("gone"), nil), batch.Delete([]byte("gone")),
				batch.Delete([]byte("never there")),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			copy(key, "xxx")
			copy(value, "xxxxx")
			if batch.Len() <= empty {
				t.Error("Len does not grow")
			}
			before := []pair{{"deleted", "1"}, {"kept", "1"}}
			if diff := cmp.Diff(before, scanAll(t, b, nil, nil)); diff != "" {
				t.Errorf("before the commit: (-want +got)\n%s", diff)
			}
			if err := batch.Commit(false); err != nil {
				t.Fatal(err)
			}
			if err := batch.Commit(false); err == nil {
				t.Error("a second Commit did not fail")
			}
			if err := batch.Set(nil, nil); err == nil {
				t.Error("Set after Commit did not fail")
			}
			if err := errors.Join(batch.Close(), batch.Close()); err != nil {
				t.Error(err)
			}
			dropped := b.NewBatch()
			if err := errors.Join(dropped.Set([]byte("dropped"), nil), dropped.Close()); err != nil {
				t.Error(err)
			}
			after := []pair{{"kept", "1"}, {"key", "value"}, {"twice", "last"}}
			if diff := cmp.Diff(after, scanAll(t, reopen(), nil, nil)); diff != "" {
				t.Errorf("after the commit: (-want +got)\n%s", diff)
			}
		})
	}
}

func TestAnEmptyKeyIsRefused(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			b, _ := backend.open(t)
			batch := b.NewBatch()
			for _, err := range []error{batch.Set(nil, []byte("value")), batch.Delete([]byte{})} {
				if err == nil || !strings.Contains(err.Error(), "key is empty") {
					t.Errorf("error %v", err)
				}
			}
			if err := batch.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnEmptyBatchCanBeCommitted(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			b, _ := backend.open(t)
			commit(t, b, true)
			commit(t, b, false)
			if err := b.Sync(); err != nil {
				t.Error(err)
			}
		})
	}
}

// K-110.
func TestGetTellsAnEmptyValueFromAnAbsentOne(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			b, reopen := backend.open(t)
			commit(t, b, false, "empty", "", "full", "value", "deleted", "value", "\x00\xff", "bytes")
			commit(t, b, false, "deleted", nil)
			for range 2 {
				for key, want := range map[string]string{"empty": "dst", "full": "dstvalue", "\x00\xff": "dstbytes"} {
					if got, err := b.Get([]byte("dst"), []byte(key)); err != nil || string(got) != want {
						t.Errorf("Get(%q) = %q, %v, want %q", key, got, err, want)
					}
				}
				for _, key := range []string{"deleted", "absent", "ful", "full\x00", ""} {
					if got, err := b.Get([]byte("dst"), []byte(key)); !errors.Is(err, state.ErrNotFound) || string(got) != "dst" {
						t.Errorf("Get(%q) = %q, %v, want ErrNotFound", key, got, err)
					}
				}
				b = reopen()
			}
		})
	}
}

func TestTheCallerOwnsWhatGetReturns(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			b, _ := backend.open(t)
			commit(t, b, false, "key", "value")
			got, err := b.Get(nil, []byte("key"))
			if err != nil {
				t.Fatal(err)
			}
			clear(got)
			if got, err := b.Get(nil, []byte("key")); err != nil || string(got) != "value" {
				t.Errorf("the stored value changed to %q, %v", got, err)
			}
		})
	}
}

func TestSizeGrowsWithTheContent(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			b, _ := backend.open(t)
			random := rand.New(rand.NewPCG(1, 1))
			before := b.Size()
			for i := range 100 {
				value := make([]byte, 10_000)
				for j := range value {
					value[j] = byte(random.Uint32())
				}
				commit(t, b, false, fmt.Sprint(i), string(value))
			}
			if grown := b.Size() - before; grown < 500_000 || grown > 5_000_000 {
				t.Errorf("grew by %d bytes for 1,000,000", grown)
			}
		})
	}
}

// A model of a Backend is a map. Random operations, and restarts, do the same to both.
func TestABackendBehavesLikeASortedMap(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(longtest.Seed(t), 0))
			b, reopen := backend.open(t)
			model := map[string]string{}
			key := func() string {
				k := make([]byte, 1+random.IntN(3))
				for i := range k {
					k[i] = "\x00\x01ab\xfe\xff"[random.IntN(6)]
				}
				return string(k)
			}
			between := func(from string, to *string) (want []pair) {
				for _, k := range slices.Sorted(maps.Keys(model)) {
					if k >= from && (to == nil || k < *to) {
						want = append(want, pair{k, model[k]})
					}
				}
				return want
			}
			for range 2_000 {
				switch random.IntN(20) {
				case 0:
					b = reopen()
				case 1, 2, 3, 4, 5, 6:
					batch := b.NewBatch()
					for range random.IntN(50) {
						k := key()
						if random.IntN(3) == 0 {
							delete(model, k)
							if err := batch.Delete([]byte(k)); err != nil {
								t.Fatal(err)
							}
							continue
						}
						v := string(bytes.Repeat([]byte{byte(random.IntN(256))}, random.IntN(400)))
						model[k] = v
						if err := batch.Set([]byte(k), []byte(v)); err != nil {
							t.Fatal(err)
						}
					}
					if err := errors.Join(batch.Commit(random.IntN(4) == 0), batch.Close()); err != nil {
						t.Fatal(err)
					}
				case 7, 8, 9, 10:
					from := key()
					var to *string
					var upper []byte
					if random.IntN(3) > 0 {
						k := key()
						to, upper = &k, []byte(k)
					}
					if diff := cmp.Diff(between(from, to), scanAll(t, b, []byte(from), upper)); diff != "" {
						t.Fatalf("scan from %q to %q: (-want +got)\n%s", from, upper, diff)
					}
				default:
					k := key()
					want, ok := model[k]
					got, err := b.Get(nil, []byte(k))
					if ok != (err == nil) || string(got) != want || !ok && !errors.Is(err, state.ErrNotFound) {
						t.Fatalf("Get(%q) = %q, %v, want %q, %t", k, got, err, want, ok)
					}
				}
			}
			if diff := cmp.Diff(between("", nil), scanAll(t, reopen(), nil, nil)); diff != "" {
				t.Errorf("at the end: (-want +got)\n%s", diff)
			}
		})
	}
}
