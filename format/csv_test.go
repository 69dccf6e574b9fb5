package format_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/row"
)

type reading struct {
	City    string    `json:"city"`
	Celsius *float64  `json:"celsius"`
	N       int       `json:"n"`
	At      time.Time `json:"at"`
	Tags    []string  `json:"tags"`
}

func pointer[T any](v T) *T { return &v }

func TestCSVHasTheBytesOfTheOriginal(t *testing.T) {
	got := encode(t, format.CSV[[]byte, row.Row]{Columns: format.RecordColumns()}, weir.Record[[]byte, row.Row]{
		Key: []byte("afd"), Value: parse(t, `{"number":0}`), Millis: 1722945524540, Origin: &weir.Origin{Topic: "numbers"},
	}, weir.Record[[]byte, row.Row]{KeyNull: true, ValueNull: true, Origin: &weir.Origin{Topic: "numbers", Partition: 1, Offset: 2}})
	want := "key,value,timestamp,topic,partition,offset\r\nafd,\"{\"\"number\"\":0}\",1722945524540,numbers,0,0\r\n,,0,numbers,1,2\r\n"
	if string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestDialectsQuoteAsTheOriginalDoes(t *testing.T) {
	r := weir.Record[string, row.Row]{Key: "a", Value: parse(t, `{"t":"x,\t\"y\"","e":"","n":null,"i":1,"f":2.0,"l":[1]}`)}
	columns := format.Fields("t", "e", "n", "i", "f", "l")
	for want, dialect := range map[string]format.Dialect{
		"t,e,n,i,f,l\r\n\"x,\t\"\"y\"\"\",\"\",,1,2.0,[1]\r\n":                                 format.Excel(),
		"t\te\tn\ti\tf\tl\r\n\"x,\t\"\"y\"\"\"\t\"\"\t\t1\t2.0\t[1]\r\n":                       format.ExcelTab(),
		"\"t\",\"e\",\"n\",\"i\",\"f\",\"l\"\n\"x,\t\"\"y\"\"\",\"\",,\"1\",\"2.0\",\"[1]\"\n": format.Unix(),
		"t;e;n;i;f;l\nx,\t\"y\";;NULL;1;2.0;[1]\n":                                             {Comma: ';', Quote: '\'', LF: true, Null: "NULL"},
	} {
		got := encode(t, format.CSV[string, row.Row]{Dialect: dialect, Columns: columns}, r)
		if string(got) != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
}

func TestCSVComesBack(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, dialect := range []format.Dialect{format.Excel(), format.ExcelTab(), format.Unix(), {Comma: ';', Quote: '\'', Null: `\N`}} {
		checkRoundTrip(t, format.CSV[int, reading]{Dialect: dialect},
			weir.Record[int, reading]{Key: 1, Millis: 7, Value: reading{"a\r\nb,\"c\";'d'\t", pointer(2.0), 3, at, []string{"x"}}},
			weir.Record[int, reading]{Key: -1, Millis: -7, Value: reading{"", nil, 0, at, nil}},
			weir.Record[int, reading]{KeyNull: true, Value: reading{`\N`, nil, 0, at, []string{}}})
		checkRoundTrip(t, format.CSV[string, float64]{Dialect: dialect}, weir.Record[string, float64]{Key: "", Value: 0.5}, weir.Record[string, float64]{KeyNull: true, Value: 2})
		checkRoundTrip(t, format.CSV[string, *string]{Dialect: dialect, Columns: format.Fields("value")},
			weir.Record[string, *string]{Value: pointer(""), KeyNull: true}, weir.Record[string, *string]{Value: pointer("x\n"), KeyNull: true})
		checkRoundTrip(t, format.CSV[string, row.Row]{Dialect: dialect, NoHeader: true, Columns: append(format.Fields("a", "b"),
			format.Column{Name: "k", Part: format.PartKey}, format.Column{Name: "at", Part: format.PartTime, Layout: time.RFC3339Nano},
			format.Column{Name: "h", Part: format.PartHeader, Field: "trace"})},
			weir.Record[string, row.Row]{Key: "k", Millis: 1001, Value: parse(t, `{"a":"1","b":null}`), Headers: []weir.Header{{Key: "trace", Value: []byte("é")}}})
		checkRoundTrip(t, format.CSV[string, row.Row]{Dialect: dialect, Columns: format.RecordColumns()},
			weir.Record[string, row.Row]{Key: "k", Millis: 5, Value: parse(t, `{"a":1.0,"b":[{}]}`)}, weir.Record[string, row.Row]{Key: "k", ValueNull: true})
	}
}

// A line with one null would be empty, and empty lines are passed over.
func TestANullAloneInItsLineIsARecord(t *testing.T) {
	f := format.CSV[string, row.Row]{Columns: format.Fields("a")}
	checkRoundTrip(t, f, weir.Record[string, row.Row]{Value: parse(t, `{"a":null}`), KeyNull: true}, weir.Record[string, row.Row]{Value: parse(t, `{"a":"x"}`), KeyNull: true})
}

func TestCSVOfOtherProgramsIsRead(t *testing.T) {
	data := "\uFEFFkey,field,timestamp\n\nkey5,value5,5\r\nkey6\n\"multi\nline\",\"\",6"
	items, places := decode(t, format.CSV[string, row.Row]{}, []byte(data), format.Place{})
	want := []string{`{"key":"key5","field":"value5","timestamp":"5"}`, `{"key":"key6","field":null,"timestamp":null}`, `{"key":"multi\nline","field":"","timestamp":"6"}`}
	if len(items) != len(want) {
		t.Fatalf("got %+v", items)
	}
	for i, w := range want {
		if got := items[i].Record.Value.String(); got != w || items[i].Err != "" {
			t.Errorf("record %d: %s, %s; want %s", i, got, items[i].Err, w)
		}
	}
	if last := places[2]; last.Lines != 6 || last.Records != 3 {
		t.Errorf("last place %+v", last)
	}
	checkResume(t, format.CSV[string, row.Row]{}, []byte(data))
	if items, _ := decode(t, format.CSV[string, row.Row]{}, nil, format.Place{}); len(items) != 0 {
		t.Errorf("an empty file has %+v", items)
	}
}

// Excel and others begin a file with a byte order mark, also in front of a quote.
func TestAByteOrderMarkIsNoPartOfAFile(t *testing.T) {
	const mark = "\uFEFF"
	for name, c := range map[string]struct {
		format format.Format[string, row.Row]
		text   string
	}{
		"CSV":                    {format.CSV[string, row.Row]{}, "city,n\nUlm,1\n"},
		"CSV with quotes":        {format.CSV[string, row.Row]{}, "\"city\",\"n\"\n\"Ulm\",1\n"},
		"CSV without a header":   {format.CSV[string, row.Row]{NoHeader: true, Columns: format.Fields("city", "n")}, "\"Ulm\",1\n"},
		"JSON lines":             {format.JSONLines[string, row.Row]{Plain: true}, `{"city":"Ulm","n":"1"}`},
		"the mark in a CSV cell": {format.CSV[string, row.Row]{}, "city,n\n" + mark + "Ulm,1\n"},
	} {
		items, _ := decode(t, c.format, []byte(mark+c.text), format.Place{})
		want, _ := decode(t, c.format, []byte(c.text), format.Place{})
		if len(items) != 1 || len(want) != 1 || items[0].Err != "" || items[0].Record.Value.String() != want[0].Record.Value.String() {
			t.Errorf("%s: got %+v, want %+v", name, items, want)
		}
		checkResume(t, c.format, []byte(mark+c.text))
	}
	for _, data := range []string{"\xff\xfea\x00,\x00b\x00\n\x00", "\xfe\xff\x00a\x00,\x00b\x00\n"} {
		for _, f := range []format.Format[string, row.Row]{format.CSV[string, row.Row]{}, format.JSONLines[string, row.Row]{}} {
			items, _ := decode(t, f, []byte(data), format.Place{})
			if len(items) != 1 || !strings.Contains(items[0].Err, "line 1: the file begins as text in UTF-16 does, and has to be UTF-8") {
				t.Errorf("%q: got %+v", data, items)
			}
		}
	}
}

func TestAnErrorOfCSVNamesItsLine(t *testing.T) {
	data := "city,n\nUlm,1\nBonn,x\n\"a\nb\",2,3\na\"b,3\n\"a\"b,4\nKiel,5\n\"open,6\n"
	items, _ := decode(t, format.CSV[string, reading]{}, []byte(data), format.Place{})
	var got []string
	for _, i := range items {
		if i.Err == "" {
			i.Err = i.Record.Value.City
		}
		got = append(got, i.Err)
	}
	want := []string{
		"Ulm", `file x, line 3: column "n": "x" is no integer: syntax error: unexpected character at byte 0 of 1 near "x"`,
		"file x, line 4: 3 cells, and the file has 2 columns", "file x, line 6: cell 1: a quote in a cell that does not begin with one",
		"file x, line 7: cell 1: text after the closing quote of a cell", "Kiel", "file x, line 9: cell 1: the file ends within quotes",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for data, want := range map[string]string{
		"a,a\n1,2\n": `line 1: two columns "a"`, "a,\xe9\n1,2\n": "line 1: column 2: text is not valid UTF-8", "a,b\n1,2\n": `line 1: the file has no column "city"; it has ["a" "b"]`,
	} {
		items, _ := decode(t, format.CSV[string, reading]{Columns: format.Fields("city")}, []byte(data), format.Place{})
		if len(items) != 1 || !strings.Contains(items[0].Err, want) {
			t.Errorf("%q: %+v", data, items)
		}
	}
}

func TestARecordWithOtherColumnsAsksForAnotherFile(t *testing.T) {
	var out bytes.Buffer
	e := format.CSV[string, row.Row]{}.NewEncoder(&out)
	for text, want := range map[string]error{`{"a":1,"b":2}`: nil} {
		if err := e.Encode(&weir.Record[string, row.Row]{Value: parse(t, text)}); !errors.Is(err, want) {
			t.Fatal(err)
		}
	}
	if err := e.Encode(&weir.Record[string, row.Row]{Value: parse(t, `{"b":1}`)}); err != nil {
		t.Errorf("fewer columns: %v", err)
	}
	before := out.Len()
	if err := e.Encode(&weir.Record[string, row.Row]{Value: parse(t, `{"a":1,"c":2}`)}); !errors.Is(err, format.ErrNewFile) || out.Len() != before {
		t.Errorf("another column: %v", err)
	}
}

func TestSettingsOfCSVAreChecked(t *testing.T) {
	for want, f := range map[string]format.CSV[string, row.Row]{
		"need Columns":    {NoHeader: true},
		`two columns "a"`: {Columns: format.Fields("a", "a")},
		"Null":            {Dialect: format.Dialect{Null: ","}},
		"both":            {Dialect: format.Dialect{Comma: '"'}},
		"has a Layout":    {Columns: []format.Column{{Name: "at", Layout: time.RFC3339}}},
		"MaxRecordBytes":  {MaxRecordBytes: -1},
	} {
		if err := f.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func FuzzCSVResume(f *testing.F) {
	f.Add([]byte("a,b\n1,\"x\ny\"\r\n\n\"\"\"\",\n"))
	f.Add([]byte("a\n\"open"))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkResume(t, format.CSV[string, row.Row]{}, data)
		checkResume(t, format.CSV[string, row.Row]{NoHeader: true, Columns: format.Fields("a", "b")}, data)
	})
}

// The writer is read by the reader of the standard library.
func FuzzCSVCells(f *testing.F) {
	f.Add("a\"b", "\r\n", ",")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if strings.Contains(a+b+c, "\r") || !utf8.ValidString(a) || !utf8.ValidString(b) || !utf8.ValidString(c) {
			return // the standard library turns CR LF within quotes into LF; text that is not UTF-8 is refused
		}
		var out bytes.Buffer
		e := format.CSV[string, row.Row]{Columns: format.Fields("a", "b", "c")}.NewEncoder(&out)
		if err := e.Encode(&weir.Record[string, row.Row]{Value: row.New(row.F("a", a), row.F("b", b), row.F("c", c))}); err != nil {
			t.Fatal(err)
		}
		lines, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(lines) != 2 || !cmp.Equal(lines[1], []string{a, b, c}) {
			t.Fatalf("%q, %v", lines, err)
		}
	})
}
