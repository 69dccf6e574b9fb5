package state_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
)

// K-20, K-21, K-22, EX-50.
//
// W-3, D-W9. The rows of one message key are contiguous, whatever keys there are, and ascend by the start of the window.
func TestWindowRowsAreContiguousPerKeyAndOrdered(t *testing.T) {
	backend := state.NewMemory()
	s := state.OpenWindowed(state.Space{Name: "w", Backend: backend, Prefix: []byte{7}}, codec.String())
	starts := []int64{30, -10, 0, 20, -9223372036854775808, 253402300799000, 10}
	for _, start := range starts {
		for _, key := range modelKeys {
			if _, err := s.Place([]byte(key)); err != nil {
				t.Fatal(err)
			}
			w, _ := s.Update(start, start)
			w.Acc = key
		}
	}
	cp := &checkpoint{backend: backend, prefix: "\x07"}
	cp.flush(t, s)
	cp.commit(t, s)
	var keys []string
	got := map[string][]int64{}
	for _, row := range scanAll(t, backend, []byte{7}, []byte{8}) {
		key := row.Value[strings.IndexByte(row.Value, 0)+1:] // after the varint of a latest time that is the start
		if len(keys) == 0 || keys[len(keys)-1] != key {
			keys = append(keys, key)
		}
		start := binary.BigEndian.Uint64([]byte(row.Key[len(row.Key)-8:])) ^ 1<<63
		got[key] = append(got[key], int64(start))
	}
	if len(keys) != len(modelKeys) {
		t.Errorf("rows of %d keys lie in %d runs", len(modelKeys), len(keys))
	}
	slices.Sort(starts)
	for key, order := range got {
		if diff := cmp.Diff(starts, order); diff != "" {
			t.Errorf("starts of %q (-want +got):\n%s", key, diff)
		}
	}
}

// A window that is opened and closed between two checkpoints leaves nothing, one that was stored leaves a tombstone.
func TestOnlyStoredWindowsLeaveTombstones(t *testing.T) {
	s := state.OpenWindowed(state.Space{Name: "w", Backend: state.NewMemory(), Prefix: []byte{7}}, codec.Int64())
	cp := &checkpoint{}
	if _, err := s.Place([]byte("k")); err != nil {
		t.Fatal(err)
	}
	s.Update(0, 1)
	s.Update(10, 11)
	s.RemoveFirst()
	cp.flush(t, s)
	if len(cp.changes) != 1 || cp.changes[0].deletes {
		t.Errorf("flushed %+v, want the open window alone", cp.changes)
	}
	cp.changes = nil
	s.Update(20, 21)
	s.RemoveFirst()
	s.Update(10, 11) // and again, as a program that removes too early would
	cp.flush(t, s)
	var got []bool
	for _, x := range cp.changes {
		got = append(got, x.deletes)
	}
	// The tombstone comes first, or it would take the new window with it.
	if diff := cmp.Diff([]bool{true, false, false}, got); diff != "" {
		t.Errorf("deletes (-want +got):\n%s", diff)
	}
}

func TestAWindowThatDoesNotDecodeIsAnErrorThatNamesStoreAndKey(t *testing.T) {
	backend := state.NewMemory()
	commit(t, backend, false, "\x07w\x01k\x80\x00\x00\x00\x00\x00\x00\x00", "\x00short")
	s := state.OpenWindowed(state.Space{Name: "sums", Backend: backend, Prefix: []byte{7}}, codec.Int64())
	_, err := s.Place([]byte("k"))
	if err == nil || !strings.Contains(err.Error(), `store "sums"`) || !strings.Contains(err.Error(), `key "k"`) {
		t.Errorf("error %v does not name store and key", err)
	}
}

// What lies in a database does not make a store panic: it is a window, or an error.
func FuzzWindowRows(f *testing.F) {
	f.Add([]byte("\x80\x00\x00\x00\x00\x00\x00\x0a"), []byte("\x02\x00\x00\x00\x00\x00\x00\x00\x01"))
	f.Add([]byte("\x80"), []byte(""))
	f.Add([]byte("\x80\x00\x00\x00\x00\x00\x00\x0a\x00"), []byte("\x02"))
	f.Add([]byte("\x80\x00\x00\x00\x00\x00\x00\x0a"), []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, start, value []byte) {
		backend := state.NewMemory()
		commit(t, backend, false, "\x07w\x01k"+string(start), string(value))
		s := state.OpenWindowed(state.Space{Name: "w", Backend: backend, Prefix: []byte{7}}, codec.Int64())
		k, err := s.Place([]byte("k"))
		if err != nil || len(k.Open) == 0 {
			return
		}
		if len(k.Open) != 1 || len(start) != 8 {
			t.Fatalf("%d windows of a row whose start has %d bytes", len(k.Open), len(start))
		}
		// What was read is written back as it was, but for longer forms of the same varint.
		w, isNew := s.Update(k.Open[0].Start, k.Open[0].Latest)
		if isNew {
			t.Fatal("the window is not found under its own start")
		}
		want := *w
		cp := &checkpoint{backend: backend, prefix: "\x07"}
		cp.flush(t, s)
		cp.commit(t, s)
		again := state.OpenWindowed(state.Space{Name: "w", Backend: backend, Prefix: []byte{7}}, codec.Int64())
		if k, err = again.Place([]byte("k")); err != nil {
			t.Fatal(err)
		}
		if got := k.Open[0]; got.Start != want.Start || got.Latest != want.Latest || got.Acc != want.Acc {
			t.Errorf("window %+v was read back as %+v", want, got)
		}
	})
}
