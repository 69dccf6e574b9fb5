package format_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/row"
)

func parse(t testing.TB, text string) row.Row {
	t.Helper()
	r, err := row.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestJSONLinesAreThoseOfTheOriginal(t *testing.T) {
	got := encode(t, format.JSONLines[[]byte, row.Row]{},
		weir.Record[[]byte, row.Row]{Key: []byte("a"), Millis: 1, Value: parse(t, `{"x":1}`)},
		weir.Record[[]byte, row.Row]{Key: []byte("b"), Millis: 2, Value: parse(t, `{"y":"é","z":1.0}`)},
		weir.Record[[]byte, row.Row]{KeyNull: true, ValueNull: true})
	want := `{"_timestamp":1,"_key":"a","_value":{"x":1}}` + "\n" + `{"_timestamp":2,"_key":"b","_value":{"y":"é","z":1.0}}` + "\n" +
		`{"_timestamp":0,"_key":null,"_value":null}` + "\n"
	if string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestJSONLinesComeBack(t *testing.T) {
	checkRoundTrip(t, format.JSONLines[string, row.Row]{Headers: true},
		weir.Record[string, row.Row]{Key: "a\n\"é", Millis: 5, Value: parse(t, `{"a":[1,2.0,null]}`), Headers: []weir.Header{{Key: "h", Value: []byte{0, 255}}, {Key: "h"}, {Key: "", Value: []byte{}}}},
		weir.Record[string, row.Row]{KeyNull: true, Millis: -1, ValueNull: true},
		weir.Record[string, row.Row]{Key: "", Value: parse(t, `{}`)})
	checkRoundTrip(t, format.JSONLines[int, map[string]int]{}, weir.Record[int, map[string]int]{Key: 7, Value: map[string]int{"a": 1}})
	checkRoundTrip(t, format.JSONLines[bool, []byte]{}, weir.Record[bool, []byte]{Key: true, Value: []byte{0, 1}})
	checkRoundTrip(t, format.JSONLines[string, float64]{Plain: true}, weir.Record[string, float64]{Value: 2, KeyNull: true}, weir.Record[string, float64]{Value: 0.1, KeyNull: true})
	checkRoundTrip(t, format.JSONLines[string, string]{})
}

func TestLinesOfOtherProgramsAreRead(t *testing.T) {
	data := "\r\n{\"_key\":5,\"_value\":{\"a\":1},\"more\":[]}\r\n   \n{\"_value\":null}"
	items, places := decode(t, format.JSONLines[int, row.Row]{}, []byte(data), format.Place{})
	if len(items) != 2 || items[0].Err != "" || items[0].Record.Key != 5 || !items[1].Record.KeyNull || !items[1].Record.ValueNull {
		t.Errorf("got %+v", items)
	}
	if places[1].Lines != 4 || places[1].Records != 2 || places[1].Bytes != int64(len(data)) {
		t.Errorf("places %+v", places)
	}
}

func TestALineMadeByAFunctionHasNothingElse(t *testing.T) {
	f := format.JSONLines[string, float64]{Row: func(r *weir.Record[string, float64]) (row.Row, error) {
		return row.New(row.F("sensor", r.Key), row.F("celsius", r.Value)), nil
	}}
	if got := encode(t, f, weir.Record[string, float64]{Key: "a", Value: 2}); string(got) != `{"sensor":"a","celsius":2.0}`+"\n" {
		t.Errorf("got %s", got)
	}
}

func TestARecordThatIsNoJSONLeavesNothingInTheFile(t *testing.T) {
	var out strings.Builder
	e := format.JSONLines[string, float64]{}.NewEncoder(&out)
	for _, r := range []weir.Record[string, float64]{{Key: "a", Value: math.NaN()}, {Key: "\xff"}} {
		if err := e.Encode(&r); err == nil || out.Len() > 0 {
			t.Errorf("%+v: %v, %q", r, err, out.String())
		}
	}
}

func TestAnErrorNamesFileAndLineAndTheNextRecordIsRead(t *testing.T) {
	data := `{"_key":"a","_value":1}` + "\n\n" + `{"_key":"b","_value":x}` + "\n" + `{"a":1}` + "\n" + `{"_key":"c","_value":3}` + "\n"
	items, _ := decode(t, format.JSONLines[string, int]{}, []byte(data), format.Place{})
	if len(items) != 4 || items[3].Record.Value != 3 {
		t.Fatalf("got %+v", items)
	}
	for i, want := range map[int]string{1: "file x, line 3: ", 2: "file x, line 4: the line has no \"_value\""} {
		if !strings.HasPrefix(items[i].Err, want) {
			t.Errorf("item %d: %s", i, items[i].Err)
		}
	}
	checkResume(t, format.JSONLines[string, int]{}, []byte(data))
}

func TestAnErrorOfALineNamesNoInternalType(t *testing.T) {
	for line, want := range map[string]string{
		`5`:                                "value is no JSON object at byte 0",
		`[1]`:                              "value is no JSON object at byte 0",
		`{"_value":1,"_headers":5}`:        "value is no JSON array at byte",
		`{"_value":1,"_timestamp":"noon"}`: "value does not fit int64 at byte",
		`{"_value":"text"}`:                "_value: value does not fit int64 at byte",
	} {
		items, _ := decode(t, format.JSONLines[string, int]{}, []byte(line+"\n"), format.Place{})
		if len(items) != 1 || !strings.Contains(items[0].Err, want) {
			t.Errorf("%s: want %q, got %+v", line, want, items)
		}
	}
}

func TestAFileThatChangedBeforeThePlaceIsRefused(t *testing.T) {
	data := []byte("1\n22\n333\n")
	f := format.JSONLines[string, int]{Plain: true}
	_, places := decode(t, f, data, format.Place{})
	for name, changed := range map[string]string{"changed": "1\n23\n333\n", "truncated": "1\n2", "shorter than the place": "1"} {
		_, err := f.NewDecoder(fileOf([]byte(changed)), places[1])
		if !errors.Is(err, format.ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
		if e, ok := errors.AsType[*format.Error](err); !ok || e.Line != 3 || !e.Rest || e.File != "x" {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

func TestALongLineIsRefusedAndNotHeld(t *testing.T) {
	items, _ := decode(t, format.JSONLines[string, string]{Plain: true, MaxRecordBytes: 100}, []byte("\"a\"\n\""+strings.Repeat("x", 200_000)), format.Place{})
	if len(items) != 2 || !strings.Contains(items[1].Err, "line 2: the record is too long") {
		t.Errorf("got %+v", items)
	}
}

func FuzzJSONLinesResume(f *testing.F) {
	f.Add([]byte(`{"_timestamp":1,"_key":"a","_value":{"x":1}}` + "\r\n\n" + `{"_value":null}`))
	f.Add([]byte("{\n}\n{\"_value\":[1]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkResume(t, format.JSONLines[string, row.Row]{}, data)
		checkResume(t, format.JSONLines[string, any]{Plain: true}, data)
	})
}
