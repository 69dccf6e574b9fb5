package state_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
)

// backends opens one of each kind for a test.
func readBackends(t *testing.T) map[string]state.Backend {
	t.Helper()
	p := state.NewPebble(state.PebbleConfig{FS: vfs.NewMem()})
	b, err := p.Open("task")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), p.Close()); err != nil {
			t.Error(err)
		}
	})
	return map[string]state.Backend{"memory": state.NewMemory(), "pebble": b}
}

// commit writes the changes of a store under its prefix.
func commitStore(t *testing.T, b state.Backend, prefix []byte, s state.Store) {
	t.Helper()
	batch := b.NewBatch()
	defer batch.Close()
	err := s.Flush(func(key, value []byte) error {
		row := append(append([]byte{}, prefix...), key...)
		if value == nil {
			return batch.Delete(row)
		}
		return batch.Set(row, value)
	})
	if err = errors.Join(err, batch.Commit(false)); err != nil {
		t.Fatal(err)
	}
	s.Committed()
}

// readAllRows reads all pages of a range.
func readAllRows(t *testing.T, b state.Backend, prefix []byte, rows state.Rows) (all []state.StoredRow) {
	t.Helper()
	for rows.From != nil {
		err := b.Read(func(r state.Reader) error {
			page, next, err := state.ReadRows(r, prefix, rows)
			if len(page) > rows.Most {
				t.Errorf("a page has %d rows, and the most are %d", len(page), rows.Most)
			}
			all, rows.From = append(all, page...), next
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// A read sees what a model says that was committed: nothing that was not, no state that has expired, nothing of the neighbours.
func TestRowsAreThoseOfTheLastCommit(t *testing.T) {
	t.Parallel()
	for name, backend := range readBackends(t) {
		t.Run(name, func(t *testing.T) {
			prefix := []byte{7}
			for _, neighbour := range [][]byte{{6}, {8}} {
				other := state.NewCell[string]("other").Open(state.Space{Name: "other", Backend: backend, Prefix: neighbour})
				if err := errors.Join(other.Enter([]byte("k1"), 1)); err != nil {
					t.Fatal(err)
				}
				other.Set("of another store")
				commitStore(t, backend, neighbour, other)
			}
			type value struct {
				text    string
				expires int64
			}
			cell := state.NewCell[string]("cell").Open(state.Space{Name: "cell", Backend: backend, Prefix: prefix, CacheBytes: 400})
			committed, now := map[string]value{}, map[string]value{}
			random := rand.New(rand.NewPCG(1, 2))
			millis, reached := int64(1000), int64(1000)
			for step := range 2000 {
				key := fmt.Sprint("k", random.IntN(60))
				millis += int64(random.IntN(20))
				if err := cell.Enter([]byte(key), millis); err != nil {
					t.Fatal(err)
				}
				switch random.IntN(10) {
				case 0:
					cell.Delete()
					delete(now, key)
				case 1, 2, 3:
					cell.SetFor(fmt.Sprint(step), 200*time.Millisecond)
					now[key] = value{fmt.Sprint(step), millis + 200}
				default:
					cell.Set(fmt.Sprint(step))
					now[key] = value{fmt.Sprint(step), 1 << 60}
				}
				if random.IntN(20) == 0 {
					commitStore(t, backend, prefix, cell)
					committed, reached = maps.Clone(now), millis
				}
				if random.IntN(10) > 0 {
					continue
				}
				want, got := map[string]string{}, map[string]string{}
				for key, v := range committed {
					if v.expires > reached {
						want[key] = v.text
					}
				}
				from, to := state.CellLayout.All()
				for _, row := range readAllRows(t, backend, prefix, state.Rows{From: from, To: to, Most: 1 + random.IntN(20)}) {
					key, _, err := state.CellLayout.Split(row.Key)
					text, decodeErr := codec.For[string]().Decode(&codec.Context{}, row.Value)
					if err := errors.Join(err, decodeErr); err != nil {
						t.Fatal(err)
					}
					got[string(key)] = text
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("step %d: %s", step, diff)
				}
			}
		})
	}
}

// Reads of other goroutines see whole batches while the owner commits, and are through when Close returns.
func TestReadsSeeWholeBatchesWhileTheOwnerGoesOn(t *testing.T) {
	t.Parallel()
	p := state.NewPebble(state.PebbleConfig{FS: vfs.NewMem()})
	onDisk, err := p.Open("task")
	if err != nil {
		t.Fatal(err)
	}
	for name, backend := range map[string]state.Backend{"memory": state.NewMemory(), "pebble": onDisk} {
		var readers sync.WaitGroup
		begun, closed := make(chan struct{}, 3), make(chan struct{})
		for range 3 {
			readers.Go(func() {
				for first := true; ; first = false {
					select {
					case <-closed:
						if name == "memory" { // whose content outlives Close
							return
						}
					default:
					}
					err := backend.Read(func(r state.Reader) error {
						a, errA := r.Get(nil, []byte("a"))
						b, errB := r.Get(nil, []byte("b"))
						if string(a) != string(b) || (errA == nil) != (errB == nil) {
							t.Errorf("%s: a torn batch: %q %q", name, a, b)
						}
						return nil
					})
					if first {
						begun <- struct{}{}
					}
					if err != nil {
						if !errors.Is(err, state.ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		for range 3 {
			<-begun
		}
		for n := range 500 {
			batch := backend.NewBatch()
			value := []byte(fmt.Sprint(n))
			if err := errors.Join(batch.Set([]byte("a"), value), batch.Set([]byte("b"), value), batch.Commit(false), batch.Close()); err != nil {
				t.Fatal(err)
			}
		}
		if err := backend.Close(); err != nil {
			t.Error(err)
		}
		close(closed)
		readers.Wait()
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// Only states and windows can be read, however a range is made.
func TestRangesOfOtherRowsAreRefused(t *testing.T) {
	t.Parallel()
	for _, rows := range []state.Rows{
		{},
		{From: []byte("s")},
		{To: []byte("t")},
		{From: []byte("m"), To: []byte("n")},
		{From: []byte("s"), To: []byte("u")},
		{From: []byte("s"), To: []byte("t\x00")},
		{From: []byte("w"), To: []byte("y")},
		{From: []byte{0, 'i'}, To: []byte{1}},
	} {
		rows.Most = 1
		err := state.NewMemory().Read(func(r state.Reader) error {
			_, _, err := state.ReadRows(r, []byte{1}, rows)
			return err
		})
		if err == nil {
			t.Errorf("%q to %q was read", rows.From, rows.To)
		}
	}
}

func FuzzRowsAreSplitAsTheyWereMade(f *testing.F) {
	f.Add([]byte("key"), []byte("field"), []byte("s"))
	f.Add([]byte{}, []byte{}, []byte("w\x03abc"))
	f.Fuzz(func(t *testing.T, key, field, row []byte) {
		for _, l := range []state.Layout{state.CellLayout, state.MapLayout, state.WindowLayout} {
			if l == state.CellLayout {
				field = nil
			}
			gotKey, gotField, err := l.Split(l.Row(key, field))
			if err != nil || string(gotKey) != string(key) || string(gotField) != string(field) {
				t.Errorf("%q %q became %q %q: %v", key, field, gotKey, gotField, err)
			}
			if behind := state.Behind(l.Row(key, nil)); string(l.Row(key, field)) >= string(behind) {
				t.Errorf("%q is not behind the rows of %q", behind, key)
			}
			_, _, _ = l.Split(row)
		}
	})
}
