package state_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
)

// Rows that the stores write are taken apart into the parts that were put in.
func TestRowsAreTakenApart(t *testing.T) {
	t.Parallel()
	key := []byte("key")
	number := func(n int64) []byte {
		data, err := codec.Int64().Append(nil, &codec.Context{}, n)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	space := func() state.Space { return state.Space{Name: "s", Backend: state.NewMemory(), Prefix: []byte{1}} }

	cell := state.NewCell[int64]("s").Open(space())
	lived := state.NewCell[int64]("s").WithTTL(time.Second).Open(space())
	fields := state.NewMap[string, int64]("s").Open(space())
	timers := state.NewTimers("s").Open(space())
	for _, s := range []state.Keyed{cell, lived, fields, timers} {
		if err := s.Enter(key, 5_000); err != nil {
			t.Fatal(err)
		}
	}
	cell.Set(7)
	lived.Set(8)
	fields.Set("f", 9)
	timers.Set(weir.EventTime, "t", time.UnixMilli(9_000))

	windows := state.OpenWindowed(space(), codec.Int64())
	if _, err := windows.Place(key); err != nil {
		t.Fatal(err)
	}
	w, _ := windows.Update(4_000, 5_000)
	w.Acc, w.Records = 10, 3
	sides := map[string]*state.Timestamped[int64]{}
	for name, duplicates := range map[string]bool{"side": false, "side with equal times": true} {
		side := state.OpenTimestamped(space(), codec.Int64(), state.TimestampedOptions{Grace: 1_000, Duplicates: duplicates})
		if err := side.Place(key); err != nil {
			t.Fatal(err)
		}
		v := int64(11)
		if _, err := side.Put(-5, &v); err != nil {
			t.Fatal(err)
		}
		sides[name] = side
	}

	for name, c := range map[string]struct {
		store  state.Store
		fields bool
		want   state.Shape
	}{
		"cell":                  {cell, false, state.Shape{Kind: state.StateRow, Key: key, Value: number(7)}},
		"cell that expires":     {lived, false, state.Shape{Kind: state.StateRow, Key: key, Value: number(8), Expires: 6_000}},
		"map":                   {fields, true, state.Shape{Kind: state.StateRow, Key: key, Field: []byte("f"), Value: number(9)}},
		"timers":                {timers, false, state.Shape{Kind: state.TimerRow, Key: key, Field: []byte("t"), Time: 9_000}},
		"windows":               {windows, false, state.Shape{Kind: state.WindowRow, Key: key, Time: 4_000, Records: 3, Value: number(10)}},
		"side":                  {sides["side"], false, state.Shape{Kind: state.ValueRow, Key: key, Time: -5, Value: number(11)}},
		"side with equal times": {sides["side with equal times"], false, state.Shape{Kind: state.ValueRow, Key: key, Time: -5, Value: number(11)}},
	} {
		var got []state.Shape
		err := c.store.Flush(func(row, value []byte) error {
			if value == nil {
				return nil
			}
			shape, err := state.ShapeOf(bytes.Clone(row), bytes.Clone(value), c.fields)
			if err != nil || shape.Kind == "" {
				return err
			}
			got = append(got, shape)
			for n := range row { // a row that is cut is another one, or an error
				_, _ = state.ShapeOf(row[:n], value[:min(n, len(value))], c.fields)
			}
			under := false
			for _, prefix := range state.Prefixes(key, c.fields) {
				under = under || bytes.HasPrefix(row, prefix)
			}
			if !under {
				t.Errorf("%s: the row %q is under no prefix of its key", name, row)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]state.Shape{c.want}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRowsThatAreNotWholeAreRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []string{"", "q", "w", "w\x05key", "w\x03key1234567", "i\x03key12345678", "t\x03key123456789", "n", "n\x00\x05key"} {
		if shape, err := state.ShapeOf([]byte(row), []byte{2, 2, 2}, true); err == nil {
			t.Errorf("the row %q was taken apart into %+v", row, shape)
		}
	}
	for _, value := range []string{"", "\x01"} {
		if shape, err := state.ShapeOf([]byte("skey"), []byte(value), false); err == nil {
			t.Errorf("the state %q was taken apart into %+v", value, shape)
		}
	}
}

// files returns the contents and times of all files below a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		all[path] = info.ModTime().String()
		if !e.IsDir() {
			data, err := os.ReadFile(path)
			all[path] += string(data)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Reading a database changes none of its files: neither tables nor a log that is longer than a memtable.
func TestReadingChangesNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "stream", "0")
	pebble := state.NewPebble(state.PebbleConfig{MemTableBytes: 64 << 10})
	defer func() {
		if err := pebble.Close(); err != nil {
			t.Error(err)
		}
	}()
	lock, err := state.LockDir(t.Context(), dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	db, err := pebble.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	const rows = 2_000
	for i := range rows {
		batch := db.NewBatch()
		if err := batch.Set([]byte{byte(i >> 8), byte(i), 1}, bytes.Repeat([]byte{byte(i)}, 100)); err != nil {
			t.Fatal(err)
		}
		if err := batch.Commit(false); err != nil {
			t.Fatal(err)
		}
		if err := batch.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := state.HoldDir(dir); !errors.Is(err, weir.ErrLocked) {
		t.Errorf("a directory in use is held: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}

	before := files(t, dir)
	release, err := state.HoldDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := state.LockDir(t.Context(), dir, 0); !errors.Is(err, weir.ErrLocked) {
		t.Errorf("a directory that is read is locked: %v", err)
	}
	read, err := pebble.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := read.Scan(nil, nil, func(_, _ []byte) (bool, error) { n++; return true, nil }); err != nil || n != rows {
		t.Errorf("read %d rows of %d: %v", n, rows, err)
	}
	batch := read.NewBatch()
	if err := batch.Set([]byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := batch.Commit(true); err == nil {
		t.Error("a write was accepted")
	}
	if err := batch.Close(); err != nil {
		t.Error(err)
	}
	if err := read.Close(); err != nil {
		t.Error(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Errorf("files were changed (-before +after):\n%s", diff)
	}

	if _, err := pebble.OpenReadOnly(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a database that is not there: %v", err)
	}
	tables, err := filepath.Glob(filepath.Join(path, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("the database has no tables: %v", err)
	}
	if err := os.Truncate(tables[0], 10); err != nil {
		t.Fatal(err)
	}
	if _, err := pebble.OpenReadOnly(path); !errors.Is(err, weir.ErrCorruptState) {
		t.Errorf("a database with a table that is cut: %v", err)
	}
}
