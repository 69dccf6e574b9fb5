package format_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/row"
)

// memory is a file in memory.
type memory struct {
	*bytes.Reader
	data []byte
}

func fileOf(data []byte) memory { return memory{bytes.NewReader(data), data} }

func (m memory) Name() string { return "x" }
func (m memory) Open(offset int64) (io.ReadCloser, error) {
	if offset > int64(len(m.data)) {
		return nil, fmt.Errorf("offset %d of %d: %w", offset, len(m.data), format.ErrChanged)
	}
	return io.NopCloser(bytes.NewReader(m.data[offset:])), nil
}

func encode[K, V any](t *testing.T, f format.Format[K, V], records ...weir.Record[K, V]) []byte {
	t.Helper()
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	e := f.NewEncoder(&out)
	for i := range records {
		if records[i].Origin == nil {
			records[i].Origin = &weir.Origin{}
		}
		if err := e.Encode(&records[i]); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// item is a record or the error in its place.
type item[K, V any] struct {
	Record weir.Record[K, V]
	Err    string
}

// decode reads a file from a place to its end, and returns the places behind each item.
func decode[K, V any](t *testing.T, f format.Format[K, V], data []byte, from format.Place) (items []item[K, V], places []format.Place) {
	t.Helper()
	d, err := f.NewDecoder(fileOf(data), from)
	if err != nil {
		if _, ok := errors.AsType[*format.Error](err); !ok {
			t.Fatalf("the error does not name the file: %v", err)
		}
		return []item[K, V]{{Err: err.Error()}}, []format.Place{from}
	}
	defer d.Close()
	for {
		var i item[K, V]
		err := d.Decode(&i.Record)
		if errors.Is(err, io.EOF) {
			return items, places
		}
		if err != nil {
			e, ok := errors.AsType[*format.Error](err)
			if !ok {
				t.Fatalf("the error does not name the file: %v", err)
			}
			i.Record, i.Err = weir.Record[K, V]{}, err.Error()
			if e.Rest {
				return append(items, i), append(places, d.Place())
			}
		}
		items, places = append(items, i), append(places, d.Place())
	}
}

var sameRow = cmp.Comparer(row.Row.Equal)

// checkResume reads a file from every place in it: the rest is the same each time.
func checkResume[K, V any](t *testing.T, f format.Format[K, V], data []byte) {
	t.Helper()
	const longest = 1 << 12 // each place is read from
	if len(data) > longest {
		return
	}
	all, places := decode(t, f, data, format.Place{})
	for i, place := range places {
		if all[i].Err != "" && i == len(places)-1 {
			break // perhaps the rest of the file
		}
		rest, _ := decode(t, f, data, place)
		if diff := cmp.Diff(all[i+1:], rest, sameRow, equateEmpty[K, V]()); diff != "" {
			t.Fatalf("behind item %d of %q, at %+v (-whole +resumed):\n%s", i, data, place, diff)
		}
	}
}

func equateEmpty[K, V any]() cmp.Option {
	return cmp.FilterValues(func(a, b []item[K, V]) bool { return len(a) == 0 && len(b) == 0 }, cmp.Comparer(func(a, b []item[K, V]) bool { return true }))
}

// checkRoundTrip writes records, and reads them from every place.
func checkRoundTrip[K, V any](t *testing.T, f format.Format[K, V], records ...weir.Record[K, V]) {
	t.Helper()
	data := encode(t, f, records...)
	items, _ := decode(t, f, data, format.Place{})
	want := make([]item[K, V], len(records))
	for i, r := range records {
		r.Origin = nil
		want[i].Record = r
	}
	if diff := cmp.Diff(want, items, sameRow, equateEmpty[K, V]()); diff != "" {
		t.Fatalf("%q (-written +read):\n%s", data, diff)
	}
	checkResume(t, f, data)
}
