package connector_test

import (
	"encoding/json"
	"math"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

type airport string

type place struct {
	City string `json:"city"`
	N    int    `json:"n"`
}

func keyRoundTrip[K any](t *testing.T, key K, want string) {
	t.Helper()
	text, null, err := connector.KeyText[K]()(key)
	if err != nil || null || text != want {
		t.Errorf("%#v is %q, %v; want %q", key, text, err, want)
		return
	}
	back, err := connector.ParseKey[K]()(text)
	if err != nil {
		t.Errorf("%q: %v", text, err)
	}
	if diff := cmp.Diff(key, back, cmp.Comparer(row.Row.Equal)); diff != "" {
		t.Errorf("%q is read as another key:\n%s", text, diff)
	}
}

func TestKeysAreTextAndComeBack(t *testing.T) {
	keyRoundTrip(t, "é", "é")
	keyRoundTrip(t, "", "")
	keyRoundTrip(t, []byte("abc"), "abc")
	keyRoundTrip(t, airport("FRA"), "FRA")
	keyRoundTrip(t, 7, "7")
	keyRoundTrip(t, int64(math.MinInt64), "-9223372036854775808")
	keyRoundTrip(t, uint8(255), "255")
	keyRoundTrip(t, 1.0, "1")
	keyRoundTrip(t, 0.1, "0.1")
	keyRoundTrip(t, float32(0.1), "0.1")
	keyRoundTrip(t, true, "true")
	keyRoundTrip(t, new(int32), "0")
	keyRoundTrip(t, time.Unix(0, 0).UTC(), "1970-01-01T00:00:00Z")
	keyRoundTrip(t, place{"Köln", 1}, `{"city":"Köln","n":1}`)
	keyRoundTrip(t, row.New(row.F("a", 1.0)), `{"a":1.0}`)
}

func TestNilKeysAreNull(t *testing.T) {
	if text, null, err := connector.KeyText[*string]()(nil); !null || err != nil {
		t.Errorf("a nil pointer is %q, %v", text, err)
	}
	if text, null, err := connector.KeyText[[]byte]()(nil); !null || err != nil {
		t.Errorf("nil bytes are %q, %v", text, err)
	}
	if _, null, _ := connector.KeyText[[]byte]()([]byte{}); null {
		t.Error("empty bytes are null")
	}
}

func TestKeysThatAreNoTextAreRefused(t *testing.T) {
	if text, _, err := connector.KeyText[[]byte]()([]byte{0xff}); err == nil {
		t.Errorf("bytes are written as %q", text)
	}
	if text, _, err := connector.KeyText[airport]()("\xff"); err == nil {
		t.Errorf("text is written as %q", text)
	}
	if k, err := connector.ParseKey[uint8]()("256"); err == nil {
		t.Errorf("256 is read as %d", k)
	}
}

func rowRoundTrip[V any](t *testing.T, v V, want string) {
	t.Helper()
	r, err := connector.ToRow[V]()(v)
	if err != nil || r.String() != want {
		t.Errorf("%#v is %v, %v; want %s", v, r, err, want)
		return
	}
	back, err := connector.FromRow[V]()(r)
	if err != nil {
		t.Errorf("%v: %v", r, err)
	}
	if diff := cmp.Diff(v, back, cmp.Comparer(row.Row.Equal)); diff != "" {
		t.Errorf("%v is read as another value:\n%s", r, diff)
	}
}

func TestValuesAreRowsAndComeBack(t *testing.T) {
	rowRoundTrip(t, place{"Ulm", 2}, `{"city":"Ulm","n":2}`)
	rowRoundTrip(t, &place{"Ulm", 2}, `{"city":"Ulm","n":2}`)
	rowRoundTrip(t, map[string]int{"b": 1, "a": 2}, `{"a":2,"b":1}`)
	rowRoundTrip(t, row.New(row.F("b", 1), row.F("a", 2.0)), `{"b":1,"a":2.0}`)
	rowRoundTrip(t, 2.0, `{"value":2.0}`)
	rowRoundTrip(t, "x", `{"value":"x"}`)
	rowRoundTrip(t, []int{1, 2}, `{"value":[1,2]}`)
	rowRoundTrip(t, time.Unix(0, 0).UTC(), `{"value":"1970-01-01T00:00:00Z"}`)
	if r, err := connector.ToRow[*place]()(nil); err != nil || !r.IsNil() {
		t.Errorf("a nil pointer is %v, %v", r, err)
	}
	if r, err := connector.ToRow[any]()(map[string]any{"a": json.Number("1")}); err != nil || r.String() != `{"a":1}` {
		t.Errorf("a map in an interface is %v, %v", r, err)
	}
}

func TestCellsAreReadAsTheFieldsWantThem(t *testing.T) {
	type base struct {
		ID int64
	}
	type all struct {
		base
		Name  string    `json:"name"`
		Ok    *bool     `json:"ok"`
		F     float32   `json:"f"`
		At    time.Time `json:"at"`
		Tags  []string  `json:"tags"`
		Raw   []byte    `json:"raw"`
		Text  int       `json:"text,string"`
		Left  int       `json:"-"`
		inner int
	}
	_ = all{inner: 1}
	want := map[string]row.Kind{
		"ID": row.KindInt, "name": row.KindString, "ok": row.KindBool, "f": row.KindFloat, "at": row.KindRow, "tags": row.KindRow,
		"raw": row.KindString, "text": row.KindString,
	}
	if diff := cmp.Diff(want, connector.TextKinds[all]()); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]row.Kind{"value": row.KindFloat}, connector.TextKinds[float64]()); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
	for text, kind := range map[string]row.Kind{"7.5": row.KindInt, "x": row.KindFloat, "yes": row.KindBool} {
		if v, err := connector.ParseValue([]byte(text), kind); err == nil {
			t.Errorf("%q is read as the %v %v", text, kind, v)
		}
	}
}

func TestNoTextLeavesItsFolder(t *testing.T) {
	for text, want := range map[string]string{
		"": "__HIVE_DEFAULT_PARTITION__", "..": "%2E%2E", ".": "%2E", ".hidden": "%2Ehidden", "_x": "%5Fx", "a/b": "a%2Fb", `a\b`: "a%5Cb",
		"a.b": "a.b", "a%b": "a%25b", "a\x00b": "a%00b", "C:": "C%3A", "é b": "é b", "end.": "end%2E", "a=b": "a=b", "sink-topic": "sink-topic",
	} {
		if got, err := connector.Segment(text); err != nil || got != want {
			t.Errorf("%q is the folder %q, %v; want %q", text, got, err, want)
		}
	}
	if got, err := connector.PairSegment("a=b", "../c=d"); err != nil || got != "a%3Db=%2E.%2Fc%3Dd" {
		t.Errorf("pair: %q, %v", got, err)
	}
	for _, text := range []string{"\xff", strings.Repeat("x", 256)} {
		if got, err := connector.Segment(text); err == nil {
			t.Errorf("%q is the folder %q", text, got)
		}
		if got, err := connector.PairSegment("c", text); err == nil {
			t.Errorf("%q is the folder %q", text, got)
		}
	}
}

func FuzzSegment(f *testing.F) {
	f.Add("../../etc/passwd", "x")
	f.Add("a%2F", "a/")
	f.Fuzz(func(t *testing.T, a, b string) {
		s, err := connector.Segment(a)
		if err != nil {
			return
		}
		if path.Base(path.Join("dir", s)) != s || path.Dir(path.Join("dir", s)) != "dir" {
			t.Fatalf("%q leaves its folder as %q", a, s)
		}
		if other, err := connector.Segment(b); err == nil && other == s && a != b && a != connector.NullSegment && b != connector.NullSegment {
			t.Fatalf("%q and %q are both %q", a, b, s)
		}
	})
}
