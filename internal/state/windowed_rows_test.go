package state_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
)

var everything = state.WindowedOptions[int64]{
	Definition: "of the test", Items: true, MarksItems: true, Ahead: 10,
	End: func(w *state.Window[int64]) int64 { return w.Start + 10 },
}

func openEverything(backend state.Backend) *state.Windowed[int64] {
	return state.OpenWindowed(state.Space{Name: "w", Backend: backend, Prefix: []byte{7}, CacheBytes: 1 << 20}, codec.Int64(), everything)
}

// place puts the store on a key.
func place(t *testing.T, s *state.Windowed[int64], key string) *state.Windows[int64] {
	t.Helper()
	k, err := s.Place([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func itemsOf(k *state.Windows[int64], from, to int64) (data []string) {
	for it := range k.Items(from, to, 0, 1<<62) {
		data = append(data, string(it))
	}
	return data
}

// K-51, K-54.
//
// W-20, W-25. Items come by time and then by arrival, also after a restart, and what a drop leaves is what windows can still need.
func TestItemsAreKeptUntilNoWindowNeedsThem(t *testing.T) {
	backend := state.NewMemory()
	s := openEverything(backend)
	for _, key := range modelKeys {
		place(t, s, key)
		for _, start := range []int64{0, 10} {
			w, _ := s.Update(start, start+5)
			s.Index(w)
		}
		for _, it := range []struct {
			at   int64
			data string
		}{{5, "b"}, {15, "d"}, {3, "a"}, {5, "c"}, {15, ""}} {
			s.AddItem(it.at, []byte(key+it.data))
		}
	}
	cp := &checkpoint{backend: backend, prefix: "\x07"}
	cp.flush(t, s)
	cp.commit(t, s)
	for _, restarted := range []bool{false, true} {
		if restarted {
			s = openEverything(backend)
		}
		for _, key := range modelKeys {
			k := place(t, s, key)
			if diff := cmp.Diff([]string{key + "a", key + "b", key + "c", key + "d", key}, itemsOf(k, 0, 15)); diff != "" {
				t.Errorf("items of %q, restarted %v (-want +got):\n%s", key, restarted, diff)
			}
			if n := k.NextItem(); n != 5 {
				t.Errorf("next item of %q is %d, restarted %v, want 5", key, n, restarted)
			}
		}
	}
	cp.changes = nil
	for _, key := range modelKeys {
		k := place(t, s, key)
		s.RemoveFirst()
		s.DropItems()
		if diff := cmp.Diff([]string{key + "d", key}, itemsOf(k, 0, 15)); diff != "" {
			t.Errorf("items of %q after a drop (-want +got):\n%s", key, diff)
		}
		s.RemoveFirst()
		s.DropItems()
		if n := k.NextItem(); n != 0 || len(itemsOf(k, 0, 15)) != 0 {
			t.Errorf("next item of %q is %d without windows, want 0", key, n)
		}
	}
	cp.flush(t, s)
	cp.commit(t, s)
	left := scanAll(t, backend, []byte{7}, []byte{8})
	if len(left) != 1 || left[0].Key != "\x07d" {
		t.Errorf("left are %q, want the definition alone", left)
	}
}

// Windows are due in the order of their ends, then of keys, whether they are in the database, beyond what was read of
// the index, moved, or only in memory. None is due twice.
func TestWindowsAreDueInOrderAndOnce(t *testing.T) {
	backend := state.NewMemory()
	s := openEverything(backend)
	add := func(key string, start int64) {
		place(t, s, key)
		w, _ := s.Update(start, start)
		s.Index(w)
	}
	for _, key := range []string{"b", "a", "\xff", ""} {
		add(key, 100)
		add(key, 0)
	}
	cp := &checkpoint{backend: backend, prefix: "\x07"}
	cp.flush(t, s)
	cp.commit(t, s)
	due := func(limit int64) (got []string) {
		for {
			k, i, key, ok, err := s.Due(limit)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return got
			}
			if k.Open[i].Start+10 > limit {
				t.Errorf("a window of %q that begins at %d is due at %d", key, k.Open[i].Start, limit)
			}
			s.Remove(i)
			got = append(got, key)
		}
	}
	add("c", 1)
	for _, step := range []struct {
		limit int64
		want  []string
	}{{9, nil}, {10, []string{"", "a", "b", "\xff"}}, {10, nil}, {11, []string{"c"}}} {
		if diff := cmp.Diff(step.want, due(step.limit)); diff != "" {
			t.Errorf("due at %d (-want +got):\n%s", step.limit, diff)
		}
	}
	s.Discard() // back to what is in the database
	if diff := cmp.Diff([]string{"", "a", "b", "\xff"}, due(50)); diff != "" {
		t.Errorf("due again (-want +got):\n%s", diff)
	}
	cp.changes = nil
	cp.flush(t, s)
	cp.commit(t, s)
	s = openEverything(backend)
	add("a", 99)
	if diff := cmp.Diff([]string{"a", "", "a", "b", "\xff"}, due(1<<62)); diff != "" {
		t.Errorf("due after a restart (-want +got):\n%s", diff)
	}
}

// K-50.
func TestTheWatermarkSurvivesAndIsTakenBack(t *testing.T) {
	backend := state.NewMemory()
	s := openEverything(backend)
	want := func(want int64) {
		t.Helper()
		if got, err := s.Watermark(); err != nil || got != want {
			t.Errorf("watermark %d, %v; want %d", got, err, want)
		}
	}
	want(state.NoTime)
	s.AdvanceTo(-5)
	s.AdvanceTo(-7)
	want(-5)
	cp := &checkpoint{backend: backend, prefix: "\x07"}
	cp.flush(t, s)
	cp.commit(t, s)
	s.AdvanceTo(1 << 60)
	s.Discard()
	want(-5)
	s = openEverything(backend)
	want(-5)
}

// What lies in a database of windows is refused if it is of another definition, whatever is asked for first.
func TestAnotherDefinitionIsRefused(t *testing.T) {
	for what, ask := range map[string]func(*state.Windowed[int64]) error{
		"place":     func(s *state.Windowed[int64]) error { _, err := s.Place([]byte("k")); return err },
		"watermark": func(s *state.Windowed[int64]) error { _, err := s.Watermark(); return err },
	} {
		backend := state.NewMemory()
		commit(t, backend, false, "\x07d", "of another test")
		err := ask(openEverything(backend))
		if !errors.Is(err, weir.ErrDefinitionChanged) || !strings.Contains(err.Error(), `"of another test", and now "of the test"`) {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

// No row of any family makes a store panic: it is read, or it is an error. What was read can be written again.
func FuzzRowsOfAllFamilies(f *testing.F) {
	for _, row := range []struct{ key, value string }{
		{"w\x01k\x80\x00\x00\x00\x00\x00\x00\x0a", "\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"},
		{"i\x01k\x80\x00\x00\x00\x00\x00\x00\x0a\x80\x00\x00\x00\x00\x00\x00\x01", "item"},
		{"i\x01k\x80", ""},
		{"e\x80\x00\x00\x00\x00\x00\x00\x14\x01k\x80\x00\x00\x00\x00\x00\x00\x0a", ""},
		{"e\x80\x00\x00\x00\x00\x00\x00\x14\xff\xff\xff\xff\xff\xff\xff\xff\xffk", ""},
		{"m", "\x14"},
		{"m", ""},
		{"d", "of the test"},
		{"d", "of another"},
	} {
		f.Add([]byte(row.key), []byte(row.value))
	}
	f.Fuzz(func(t *testing.T, row, value []byte) {
		if len(row) == 0 {
			return
		}
		backend := state.NewMemory()
		commit(t, backend, false, "\x07"+string(row), string(value))
		s := openEverything(backend)
		if _, err := s.Watermark(); err != nil {
			return
		}
		keys, err := s.Keys()
		if err != nil {
			return
		}
		for _, key := range append(keys, "k") {
			k, err := s.Place([]byte(key))
			if err != nil {
				return
			}
			itemsOf(k, -1<<63, 1<<63-1)
			for _, w := range k.Open {
				s.Update(w.Start, w.Latest)
			}
		}
		for range 3 {
			_, i, _, ok, err := s.Due(1<<63 - 1)
			if err != nil || !ok {
				break
			}
			s.Remove(i)
			s.DropItems()
		}
		cp := &checkpoint{backend: backend, prefix: "\x07"}
		cp.flush(t, s)
		cp.commit(t, s)
	})
}
