package row_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
)

// parse reads a row, which has to be right.
func parse(t testing.TB, text string) row.Row {
	t.Helper()
	r, err := row.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatIsDecodedIsEncodedAgain(t *testing.T) {
	for name, text := range map[string]string{
		"no columns":              `{}`,
		"order is kept":           `{"z":1,"a":2,"m":3}`,
		"integers stay integers":  `{"i":[0,-1,9223372036854775807,-9223372036854775808]}`,
		"beyond 64 bits":          `{"u":18446744073709551615,"n":-9223372036854775809,"b":123456789012345678901234567890}`,
		"floats stay floats":      `{"f":[1.0,0.5,-0.0,1e+16,1e-5,1.7976931348623157e+308]}`,
		"null, true, false":       `{"a":null,"b":true,"c":false}`,
		"nested":                  `{"a":{"b":[{"c":[]},{}],"d":[[1],[2]]}}`,
		"text":                    `{"é😀":"<&>\u0001\n\t\"\\/"}`,
		"an empty name and text":  `{"":""}`,
		"a name that repeats one": `{"a":{"a":{"a":1}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := row.JSON().Append(nil, nil, parse(t, text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(text, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeReadsAllOfJSON(t *testing.T) {
	for text, want := range map[string]row.Row{
		" {\t\"a\" : [ 1 , 2 ] ,\r\n\"b\":{ } } ": row.New(row.F("a", row.List(row.Int(1), row.Int(2))), row.F("b", row.New())),
		`{"a":"\u00e9\ud83d\ude00\/\b\f"}`:        row.New(row.F("a", "é😀/\b\f")),
		`{"a":1E2,"b":1.5e+3,"c":-2.5e-1}`:        row.New(row.F("a", 100.0), row.F("b", 1500.0), row.F("c", -0.25)),
		`{"a":-0}`:                                row.New(row.F("a", 0)),
		`{"a":1,"b":2,"a":3}`:                     row.New(row.F("a", 3), row.F("b", 2)), // of a name that comes twice the last counts
		`null`:                                    {},
	} {
		if got := parse(t, text); got.String() != want.String() {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestWideRowsKeepTheLastOfAName(t *testing.T) {
	var text strings.Builder
	for i := range 100 {
		text.WriteString(",\"c")
		text.WriteString(strings.Repeat("x", i%50))
		text.WriteString("\":")
		text.WriteString(row.Int(int64(i)).String())
	}
	r := parse(t, "{"+text.String()[1:]+"}")
	if n, err := r.Get[int]("c" + strings.Repeat("x", 7)); r.Len() != 50 || n != 57 || err != nil {
		t.Errorf("%d columns, the eighth is %d, %v", r.Len(), n, err)
	}
}

func TestDecodeIsStrict(t *testing.T) {
	for text, want := range map[string]string{
		``:                       "want JSON, got no bytes",
		` `:                      "unexpected end",
		`[1]`:                    "want a JSON object, got list",
		`1`:                      "want a JSON object, got integer",
		`{}x`:                    "data after the value",
		`{} {}`:                  "data after the value",
		`{"a":1`:                 "unexpected end",
		`{"a"`:                   "unexpected end",
		`{"a":}`:                 "unexpected character",
		`{"a":1,}`:               "unexpected character",
		`{,"a":1}`:               "unexpected character",
		`{a:1}`:                  "unexpected character",
		`{"a":[1,]}`:             "unexpected character",
		`{"a":[1 2]}`:            "unexpected character",
		`{"a":01}`:               "malformed number",
		`{"a":1.}`:               "malformed number",
		`{"a":.5}`:               "unexpected character",
		`{"a":-}`:                "malformed number",
		`{"a":1e}`:               "malformed number",
		`{"a":+1}`:               "unexpected character",
		`{"a":1e999}`:            "it does not fit a float",
		`{"a":NaN}`:              "unexpected character",
		`{"a":nul}`:              "unexpected character",
		`{"a":"` + "\n" + `"}`:   "control character",
		`{"a":"\t` + "\n" + `"}`: "control character",
		`{"a":"\x"}`:             "malformed escape",
		`{"a":"\ud83d"}`:         "malformed escape",
		`{"a":"\ud83d\u0041"}`:   "malformed escape",
		`{"a":"\ude00"}`:         "malformed escape",
		`{"a":"\u12"}`:           "malformed escape",
		`{"a":"\u12g4"}`:         "malformed escape",
		`{"a":"x`:                "unexpected end",
		`{"a":"\`:                "unexpected end",
		"{\"a\":\"\xff\"}":       "not valid UTF-8",
		`{"a":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`: "nested deeper",
	} {
		_, err := row.JSON().Decode(&codec.Context{Topic: "t", Part: codec.Value}, []byte(text))
		var typed *codec.Error
		if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &typed) || typed.Topic != "t" {
			t.Errorf("%.20q: %v, want %q", text, err, want)
		}
	}
}

func TestWhatJSONCannotSayIsAnError(t *testing.T) {
	for name, r := range map[string]row.Row{
		"NaN":          row.New(row.F("a", math.NaN())),
		"infinity":     row.New(row.F("a", row.List(row.Float(math.Inf(1))))),
		"invalid text": row.New(row.F("a", "\xff")),
		"invalid name": row.New(row.F("\xff", 1)),
	} {
		if got, err := row.JSON().Append([]byte("kept"), nil, r); err == nil || string(got) != "kept" {
			t.Errorf("%s: %q, %v, want an error and the buffer as it was", name, got, err)
		}
	}
}

func TestDecodedRowsShareNoMemoryWithTheInput(t *testing.T) {
	data := []byte(`{"name":"value"}`)
	r, err := row.JSON().Decode(nil, data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		data[i] = 'X'
	}
	if got := r.String(); got != `{"name":"value"}` {
		t.Errorf("the row has become %s", got)
	}
}

func TestNilRowsAreNullRecords(t *testing.T) {
	nuller, ok := row.JSON().(codec.Nuller[row.Row])
	if !ok || !nuller.IsNull(row.Row{}) || nuller.IsNull(row.New()) || nuller.IsNull(parse(t, `{}`)) || !nuller.IsNull(parse(t, `null`)) {
		t.Error("null is not told from a row without columns")
	}
}

func TestTheDefaultCodecOfRowsIsJSON(t *testing.T) {
	r := parse(t, `{"z":1.0,"a":18446744073709551615}`)
	data, err := codec.For[row.Row]().Append(nil, nil, r)
	if err != nil || string(data) != r.String() {
		t.Errorf("%s, %v", data, err)
	}
	if _, ok := codec.For[row.Row]().(codec.Nuller[row.Row]); !ok {
		t.Error("it does not know nulls")
	}
}

func TestRowsAndValuesInsideOfOtherTypes(t *testing.T) {
	type envelope struct {
		Row   row.Row
		Value row.Value
	}
	const text = `{"Row":{"z":1.0,"a":[2]},"Value":18446744073709551615}`
	c := codec.JSON[envelope]()
	v, err := c.Decode(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := c.Append(nil, nil, v); err != nil || string(data) != text {
		t.Errorf("%s, %v", data, err)
	}
}

// FuzzDecode compares with encoding/json: what is accepted, and what it is.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-2.5e3,"x\n\u00e9",null,true,{"b":{}}]}`, `{"a":01}`, `{"":"\ud83d\ude00"}`, `{}{}`, `{"a":1,"a":2}`, ` {"x" : [ ] } `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := row.JSON().Decode(nil, data)
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		var want map[string]any
		wantErr := d.Decode(&want)
		if wantErr == nil && d.More() {
			wantErr = errors.New("trailing data")
		}
		if err == nil && wantErr != nil {
			t.Fatalf("accepted %q, which encoding/json refuses: %v", data, wantErr)
		}
		if err != nil {
			return // stricter about text, numbers that do not fit, and depth: see TestDecodeIsStrict
		}
		again, err := row.JSON().Append(nil, nil, r)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Equal(parse(t, string(again))) {
			t.Errorf("%s comes back as %s", r, again)
		}
		var got, exact any
		if err := json.Unmarshal(again, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &exact); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(exact, got); diff != "" {
			t.Errorf("%q (-encoding/json +row):\n%s", data, diff)
		}
	})
}
