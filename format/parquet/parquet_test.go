package parquet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/format/parquet"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink/file"
)

// memory is a file in memory.
type memory struct{ *bytes.Reader }

func (memory) Name() string                      { return "x" }
func (memory) Open(int64) (io.ReadCloser, error) { return nil, errors.New("not used") }

func encode(t *testing.T, f parquet.Format[string, row.Row], rows ...string) (data []byte, errs []error) {
	t.Helper()
	var out bytes.Buffer
	e := f.NewEncoder(&out)
	for i, text := range rows {
		v, err := row.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		errs = append(errs, e.Encode(&weir.Record[string, row.Row]{Key: fmt.Sprint(i), KeyNull: i%2 == 1, Millis: int64(i), Value: v}))
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), errs
}

func decode(t *testing.T, data []byte, from format.Place) (rows []string, places []format.Place, failure error) {
	t.Helper()
	d, err := parquet.Format[string, row.Row]{}.NewDecoder(memory{bytes.NewReader(data)}, from)
	if err != nil {
		return nil, nil, err
	}
	defer d.Close()
	for {
		var r weir.Record[string, row.Row]
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return rows, places, nil
		} else if err != nil {
			return rows, places, err
		}
		key := r.Key
		if r.KeyNull {
			key = "null"
		}
		rows, places = append(rows, fmt.Sprint(r.Millis, " ", key, " ", r.Value)), append(places, d.Place())
	}
}

func TestRowsComeBackFromEachPlace(t *testing.T) {
	in := []string{
		`{"a":1,"f":1.0,"s":"é","b":true,"n":{"x":1,"y":["p",null]},"l":[{"q":1},{}],"z":null}`,
		`{"a":9007199254740993,"f":2,"s":"","b":false,"n":null,"l":[]}`, `{"a":null,"n":{"x":0},"f":0.0}`,
	}
	for range 200 {
		in = append(in, `{"a":5}`)
	}
	for _, c := range []parquet.Compression{parquet.Snappy, parquet.Uncompressed, parquet.Gzip, parquet.Zstd, parquet.Lz4, parquet.Brotli} {
		data, errs := encode(t, parquet.Format[string, row.Row]{Compression: c, SampleRows: 3, GroupBytes: 500}, in...)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		rows, places, err := decode(t, data, format.Place{})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			`0 0 {"a":1,"b":true,"f":1.0,"l":[{"q":1},{"q":null}],"n":{"x":1,"y":["p",null]},"s":"é","z":null}`,
			`1 null {"a":9007199254740993,"b":false,"f":2.0,"l":[],"n":null,"s":"","z":null}`,
			`2 2 {"a":null,"b":null,"f":0.0,"l":null,"n":{"x":0,"y":null},"s":null,"z":null}`,
		}
		if diff := cmp.Diff(want, rows[:3]); diff != "" || len(rows) != len(in) {
			t.Fatalf("%d rows (-want +got):\n%s", len(rows), diff)
		}
		for i := 0; i < len(places); i += 17 {
			rest, _, err := decode(t, data, places[i])
			if diff := cmp.Diff(rows[i+1:], rest); err != nil || diff != "" {
				t.Fatalf("behind row %d: %v\n%s", i, err, diff)
			}
		}
	}
}

func TestARowThatDoesNotFitAsksForANewFile(t *testing.T) {
	_, errs := encode(t, parquet.Format[string, row.Row]{SampleRows: 2},
		`{"a":1}`, `{"a":"x"}`, `{"a":2}`, `{"a":3,"b":1}`, `{"a":2.5}`, `{"a":4}`, `{"a":18446744073709551616}`, `{"_key":1}`)
	for i, want := range []error{nil, format.ErrNewFile, nil, format.ErrNewFile, format.ErrNewFile, nil} {
		if !errors.Is(errs[i], want) {
			t.Errorf("row %d: %v, want %v", i, errs[i], want)
		}
	}
	for _, err := range errs[6:] {
		if err == nil || errors.Is(err, format.ErrNewFile) {
			t.Errorf("a row that no file can have: %v", err)
		}
	}
}

func TestADamagedOrChangedFileIsRefused(t *testing.T) {
	data, _ := encode(t, parquet.Format[string, row.Row]{}, `{"a":1}`, `{"a":2}`)
	_, places, err := decode(t, data, format.Place{})
	if err != nil {
		t.Fatal(err)
	}
	other, _ := encode(t, parquet.Format[string, row.Row]{}, `{"a":1}`, `{"a":2}`, `{"a":3}`)
	if _, _, err := decode(t, other, places[0]); !errors.Is(err, format.ErrChanged) {
		t.Errorf("another file: %v", err)
	}
	for _, cut := range [][]byte{nil, data[:len(data)-1], data[4:], []byte("PAR1")} {
		_, _, err := decode(t, cut, format.Place{})
		if e, ok := errors.AsType[*format.Error](err); !ok || !e.Rest || e.File != "x" {
			t.Errorf("%d bytes: %v", len(cut), err)
		}
	}
}

// named is a file in memory with a name.
type named struct {
	memory
	name string
}

func (n named) Name() string { return n.name }

func TestAFileThatIsCompressedAsAWholeIsRefusedByBothSides(t *testing.T) {
	data, _ := encode(t, parquet.Format[string, row.Row]{}, `{"a":1}`)
	var whole bytes.Buffer
	z, err := format.Gzip.NewWriter(&whole)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = parquet.Format[string, row.Row]{}.NewDecoder(named{memory{bytes.NewReader(whole.Bytes())}, "a.parquet.gz"}, format.Place{})
	if e, ok := errors.AsType[*format.Error](err); !ok || !e.Rest || !strings.Contains(err.Error(), "decompress the file") {
		t.Errorf("the source says %v", err)
	}
	to := file.New(t.TempDir(), file.Options[string, row.Row]{Format: parquet.Format[string, row.Row]{}, Compression: format.Gzip})
	if err := to.Connect(t.Context()); !errors.Is(err, weir.ErrConfiguration) || !strings.Contains(err.Error(), "use parquet.Format.Compression") {
		t.Errorf("the sink says %v", err)
	}
}
