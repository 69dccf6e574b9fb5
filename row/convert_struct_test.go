package row_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/row"
)

type base struct {
	ID    int64
	Shown string `json:"name"`
}

type order struct {
	base
	Total   float64        `json:"total"`
	Half    float32        `json:"half"`
	Big     uint64         `json:"big"`
	At      time.Time      `json:"at"`
	Note    *string        `json:"note"`
	Lines   []line         `json:"lines"`
	Tags    map[string]int `json:"tags,omitempty"`
	Data    []byte         `json:"data"`
	Any     any            `json:"any"`
	Nested  row.Row        `json:"nested"`
	Number  json.Number    `json:"number"`
	Text    int            `json:"text,string"`
	Zero    time.Time      `json:"zero,omitzero"`
	Hidden  string         `json:"-"`
	private string
}

type line struct{ Price float64 }

func anOrder() order {
	return order{
		base: base{ID: 1 << 60, Shown: "é"}, Total: 2, Half: 0.1, Big: math.MaxUint64, At: time.Unix(0, 0).UTC(), Lines: []line{{1}, {0.5}},
		Data: []byte{1, 0xff}, Any: map[string]any{"b": 1.0, "a": []any{nil, true}}, Nested: row.New(row.F("x", 1.0)), Number: "1.50", Text: 7,
		Hidden: "x", private: "y",
	}
}

func TestStructsBecomeRowsAndRowsStructs(t *testing.T) {
	r, err := row.FromStruct[order]()(t.Context(), anOrder())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"ID":1152921504606846976,"name":"é","total":2.0,"half":0.1,"big":18446744073709551615,"at":"1970-01-01T00:00:00Z","note":null,` +
		`"lines":[{"Price":1.0},{"Price":0.5}],"data":"Af8=","any":{"a":[null,true],"b":1.0},"nested":{"x":1.0},"number":1.5,"text":"7"}`
	if diff := cmp.Diff(want, r.String()); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	back, err := row.ToStruct[order]()(t.Context(), r.With("unknown", true))
	if err != nil {
		t.Fatal(err)
	}
	again, err := row.FromStruct[*order]()(t.Context(), &back)
	if err != nil || again.String() != want {
		t.Errorf("the struct of the row: %+v, %v", back, err)
	}
	if back.ID != 1<<60 || back.Big != math.MaxUint64 || back.Hidden != "" || back.Lines[1].Price != 0.5 {
		t.Errorf("the struct of the row: %+v", back)
	}
}

// Rows in reused memory are those of FromStruct, whatever the row before had, and cost no garbage.
func TestRowsOfReusedMemoryAreThoseOfTheirValues(t *testing.T) {
	type small struct {
		Text string `json:"text,omitempty"`
		N    int    `json:"n,omitempty"`
	}
	again, fresh := row.FromStructReusing[small](), row.FromStruct[small]()
	for _, v := range []small{{"a", 1}, {"", 2}, {}, {"b", 0}, {"c", 3}} {
		got, err := again(t.Context(), v)
		want, failed := fresh(t.Context(), v)
		if err != nil || failed != nil || !got.Equal(want) {
			t.Errorf("%v: got %v (%v), want %v (%v)", v, got, err, want, failed)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := again(t.Context(), small{"a", 1}); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
	whole, err := row.FromStructReusing[order]()(t.Context(), anOrder())
	want, failed := row.FromStruct[order]()(t.Context(), anOrder())
	if err != nil || failed != nil || !whole.Equal(want) {
		t.Errorf("got %v (%v), want %v (%v)", whole, err, want, failed)
	}
	if r, err := row.FromStructReusing[*small]()(t.Context(), nil); err != nil || !r.IsNil() {
		t.Errorf("a nil pointer is %v (%v)", r, err)
	}
	if _, err := row.FromStructReusing[struct{ C chan int }]()(t.Context(), struct{ C chan int }{make(chan int)}); err == nil {
		t.Error("a channel is a column")
	}
}

func TestMapsBecomeRows(t *testing.T) {
	r, err := row.FromMap(t.Context(), map[string]any{"b": 1, "a": 1.0, "c": map[int]string{2: "y", 1: "x"}, "d": json.Number("1e-7"), "e": nil})
	if want := `{"a":1.0,"b":1,"c":{"1":"x","2":"y"},"d":1e-7,"e":null}`; err != nil || r.String() != want {
		t.Errorf("got %v, %v, want %s", r, err, want)
	}
	if r, err := row.FromMap(t.Context(), nil); err != nil || !r.IsNil() {
		t.Errorf("of nil: %v, %v", r, err)
	}
}

func TestConversionsThatCannotBeMadeAreErrors(t *testing.T) {
	fails := func(name string, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	_, err := row.FromStruct[struct{ C chan int }]()(t.Context(), struct{ C chan int }{make(chan int)})
	fails("a channel", err, "field C: a chan int is no value of a row")
	_, err = row.FromStruct[int]()(t.Context(), 1)
	fails("a number", err, "want a JSON object, got integer")
	_, err = row.ToStruct[base]()(t.Context(), row.Row{})
	fails("a nil row", err, "the value is null, not a row")
	_, err = row.ToStruct[base]()(t.Context(), row.New(row.F("ID", "x")))
	fails("text for a number", err, "row_test.base of a row: ")
	if p, err := row.ToStruct[*base]()(t.Context(), row.Row{}); p != nil || err != nil {
		t.Errorf("a nil row as a pointer: %v, %v", p, err)
	}
	type loop struct{ Next *loop }
	l := &loop{}
	l.Next = l
	_, err = row.FromStruct[*loop]()(t.Context(), l)
	fails("a loop", err, "nested deeper")
}
