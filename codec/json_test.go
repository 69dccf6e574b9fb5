package codec_test

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bytedance/sonic"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/weirstreams/weir/codec"
)

// TestJSONRunsOnSonic fails when a Go version or a changed dependency makes JSON fall back to encoding/json. If it does
// with a new Go: check that sonic supports that version, and widen the build constraints in json_sonic.go,
// json_alias.go and json_std.go.
func TestJSONRunsOnSonic(t *testing.T) {
	t.Logf("JSON runs on %s; Go %s, %s", codec.JSONEngine(), runtime.Version(), runtime.GOARCH)
	if stdJSONWanted || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("sonic is not expected here")
	}
	if codec.JSONEngine() != "sonic" {
		t.Errorf("JSON runs on %s, want sonic", codec.JSONEngine())
	}
	if sonic.APIKind != sonic.UseSonicJSON {
		t.Error("sonic itself falls back to encoding/json")
	}
}

func TestJSONWritesStableCompactBytes(t *testing.T) {
	encodesAs(t, codec.JSON[map[string]int](), map[string]int{"a": 123}, "7b2261223a3132337d")
	encodesAs(t, codec.JSON[[]int](), []int{1, 2, 3}, text("[1,2,3]"))
	encodesAs(t, codec.JSON[map[string]string](), map[string]string{"b": "<&>", "a": "é\u2028", "": "/"},
		text("{\"\":\"/\",\"a\":\"é\u2028\",\"b\":\"<&>\"}"))
	encodesAs(t, codec.JSON[map[int]bool](), map[int]bool{10: true, 9: false}, text(`{"10":true,"9":false}`))
	encodesAs(t, codec.JSON[[]float64](), []float64{1, 0.1, 1e21, 1e-7}, text(`[1,0.1,1e+21,1e-7]`))
	encodesAs(t, codec.JSON[json.RawMessage](), json.RawMessage(`{"a":1}`), text(`{"a":1}`))
	encodesAs(t, codec.JSON[*point](), &point{1, -2}, text(`{"x":1,"y":-2}`))
	encodesAs(t, codec.JSON[string](), "x", text(`"x"`))

	many := map[string]any{}
	for _, key := range strings.Split("the quick brown fox jumps over a lazy dog and runs away", " ") {
		many[key] = map[string]any{key + "2": 1, key + "1": 2}
	}
	c := &codec.Context{}
	want, err := json.Marshal(many)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		got, err := codec.JSON[map[string]any]().Append(nil, c, maps.Clone(many))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Fatalf("map keys out of order (-want +got):\n%s", diff)
		}
	}
}

func TestJSONKeepsNumbersInInterfaces(t *testing.T) {
	for _, wire := range []string{
		"9223372036854775807", "18446744073709551615", "-9223372036854775808", "1.0", "1e16",
		"0.1000000000000000055511151231257827", `{"a":[1,2.50]}`,
	} {
		cd, c := codec.JSON[any](), &codec.Context{}
		v, err := cd.Decode(c, []byte(wire))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := cd.Append(nil, c, v); err != nil || string(got) != wire {
			t.Errorf("got %s, %v; want %s", got, err, wire)
		}
	}
	encodesAs(t, codec.JSON[any](), any(json.Number("1.0")), text("1.0"))
}

type point struct {
	X int `json:"x"`
	Y int `json:"y"`
}

type everything struct {
	Text    string            `json:"text"`
	Escaped string            `json:"escaped"`
	List    []string          `json:"list"`
	Map     map[string]string `json:"map"`
	Any     any               `json:"any"`
	Raw     json.RawMessage   `json:"raw"`
	Number  json.Number       `json:"number"`
	Pointer *string           `json:"pointer"`
	Bytes   []byte            `json:"bytes"`

	Numbers map[json.Number][]json.Number `json:"numbers"`
	Quoted  string                        `json:"quoted,string"`
	Names   map[symbol]symbol             `json:"names"`
	Address netip.Addr                    `json:"address"`
	Nested  struct {
		Symbols []symbol `json:"symbols"`
	} `json:"nested"`
}

type symbol string

func TestJSONSharesNoMemoryWithTheInput(t *testing.T) {
	pointer := "pointed"
	v := everything{
		Text: "some text", Escaped: "a\nb\"c", List: []string{"one", "two"}, Map: map[string]string{"key": "value"},
		Any: map[string]any{"k": []any{"nested", json.Number("12.5"), nil, true}}, Raw: json.RawMessage(`{"raw":[1]}`),
		Number: "12345", Pointer: &pointer, Bytes: []byte("binary"),
		Numbers: map[json.Number][]json.Number{"1.50": {"2.50"}}, Quoted: "quoted", Names: map[symbol]symbol{"A": "B"},
		Address: netip.MustParseAddr("fe80::1%eth0"),
	}
	v.Nested.Symbols = []symbol{"LHR"}
	wire, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	encodesAs(t, codec.JSON[everything](), v, text(string(wire)))
	encodesAs(t, codec.JSON[*everything](), &v, text(string(wire)))
	encodesAs(t, codec.JSON[[]everything](), []everything{v}, text("["+string(wire)+"]"))

	t.Run("a type without interfaces, which is decoded in place", func(t *testing.T) {
		type static struct {
			Text    string                        `json:"text"`
			Escaped string                        `json:"escaped"`
			Raw     json.RawMessage               `json:"raw"`
			Number  json.Number                   `json:"number"`
			Numbers map[json.Number][]json.Number `json:"numbers"`
			Quoted  string                        `json:"quoted,string"`
			Names   map[symbol]symbol             `json:"names"`
			Address netip.Addr                    `json:"address"`
			Bytes   []byte                        `json:"bytes"`
			Pointer **string                      `json:"pointer"`
		}
		p := &pointer
		v := static{"a", "b\n", json.RawMessage(`"c"`), "1.0", v.Numbers, "quoted", v.Names, v.Address, v.Bytes, &p}
		wire, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		encodesAs(t, codec.JSON[static](), v, text(string(wire)))
		encodesAs(t, codec.JSON[map[symbol]static](), map[symbol]static{"k": v}, text(`{"k":`+string(wire)+`}`))
	})
	t.Run("types of sonic that refer to their input", func(t *testing.T) {
		type lazy struct {
			Raw map[string][]sonic.NoCopyRawMessage `json:"raw"`
		}
		input := []byte(`{"raw":{"a":[{"b":1}]}}`)
		v, err := codec.JSON[*lazy]().Decode(&codec.Context{}, input)
		if err != nil {
			t.Fatal(err)
		}
		clear(input)
		if got := string(v.Raw["a"][0]); got != `{"b":1}` {
			t.Errorf("got %q", got)
		}
	})
	t.Run("errors", func(t *testing.T) {
		for _, input := range []string{`{"text":[1]}`, `{"text":"abc`, `{"number":"abc"}`, `{"text":"a"}x`} {
			data := []byte(input)
			_, err := codec.JSON[everything]().Decode(&codec.Context{}, data)
			if err == nil {
				t.Fatalf("%s was accepted", input)
			}
			before := strings.Clone(err.Error())
			for i := range data {
				data[i] = '#'
			}
			if diff := cmp.Diff(before, err.Error()); diff != "" {
				t.Errorf("the error changed with the input:\n%s", diff)
			}
		}
	})
}

func TestJSONRefusesWhatIsNotJSON(t *testing.T) {
	for name, input := range map[string]string{
		"nothing": "", "white space": " ", "trailing data": `{"text":"a"}x`, "two values": "{} {}", "cut off": `{"text":`,
		"NaN": "NaN", "Infinity": "-Infinity", "leading zero": `{"number":01}`, "trailing comma": `{"text":"a",}`,
		"raw control character": "{\"text\":\"a\nb\"}", "invalid UTF-8": "{\"text\":\"\xff\"}",
		"bad value in a skipped field": `{"skipped":{"a":tru}}`, "byte order mark": "\ufeff{}", "NUL": "\x00",
		"wrong type": `{"text":1}`, "wrong shape": "[]", "invalid UTF-8 in a skipped field": "{\"skipped\":\"\xc3\"}",
	} {
		v, err := codec.JSON[everything]().Decode(&codec.Context{}, []byte(input))
		if err == nil {
			t.Errorf("%s: %q was accepted as %+v", name, input, v)
		}
		if diff := cmp.Diff(everything{}, v, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s: the value is not zero after an error:\n%s", name, diff)
		}
	}
	for _, input := range []string{"256", "-1", "1.5"} {
		if v, err := codec.JSON[uint8]().Decode(&codec.Context{}, []byte(input)); err == nil {
			t.Errorf("%s was accepted as uint8 %d", input, v)
		}
	}
}

func TestJSONTakesTheLastOfDuplicateKeys(t *testing.T) {
	v, err := codec.JSON[map[string]int]().Decode(&codec.Context{}, []byte(` {"a":1,"a":2} `))
	if diff := cmp.Diff(map[string]int{"a": 2}, v); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestJSONRefusesWhatItCouldNotReadBack(t *testing.T) {
	for name, v := range map[string]any{
		"NaN": math.NaN(), "infinity": math.Inf(1), "invalid UTF-8": "a\xff", "channel": make(chan int),
		"invalid raw message": json.RawMessage(`{"a`), "invalid number": json.Number("x"),
		"invalid UTF-8 in a key": map[string]int{"\xc3": 1},
	} {
		dst := []byte("kept")
		got, err := codec.JSON[any]().Append(dst, &codec.Context{}, v)
		if _, ok := errors.AsType[*codec.Error](err); !ok {
			t.Errorf("%s: got %q, %v; want a *codec.Error", name, got, err)
		}
		if string(got) != "kept" {
			t.Errorf("%s: dst became %q", name, got)
		}
	}
}

func TestJSONErrorsPointAtTheInput(t *testing.T) {
	c := &codec.Context{Topic: "trades", Part: codec.Value}
	_, err := codec.JSON[flight]().Decode(c, []byte(`{"from":"LHR"} trailing`))
	for _, want := range []string{
		`decode value of topic "trades" as codec_test.flight: `, ` of 23 `,
		`near "{\"from\":\"LHR\"} trailing"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in the error:\n\t%v", want, err)
		}
	}
}

func TestJSONNullIsNil(t *testing.T) {
	nulls(t, codec.JSON[*flight](), nil, &flight{})
	nulls(t, codec.JSON[[]int](), nil, []int{})
	nulls(t, codec.JSON[map[string]int](), nil, map[string]int{})
	nulls(t, codec.JSON[any](), nil, any(0))
	if _, ok := codec.JSON[flight]().(codec.Nuller[flight]); ok {
		t.Error("a struct has no null, but its codec is a Nuller")
	}
	encodesAs(t, codec.JSON[*flight](), nil, "6e756c6c")
	encodesAs(t, codec.JSON[any](), nil, "6e756c6c")
}

// shout has methods with pointer receivers, which encoding/json does not find on a value.
type shout struct{ word string }

var errQuiet = errors.New("too quiet")

func (s *shout) MarshalJSON() ([]byte, error) {
	if s.word == "" {
		return nil, errQuiet
	}
	return []byte(`"` + strings.ToUpper(s.word) + `" `), nil
}

func (s *shout) UnmarshalJSON(data []byte) error {
	if len(data) < 3 {
		return errQuiet
	}
	s.word = strings.ToLower(string(data[1 : len(data)-1]))
	return nil
}

func TestJSONCallsMethodsWithPointerReceivers(t *testing.T) {
	c, cd := &codec.Context{}, codec.JSON[shout]()
	got, err := cd.Append(nil, c, shout{"hey"})
	if err != nil || string(got) != `"HEY"` {
		t.Errorf("got %s, %v", got, err)
	}
	if v, err := cd.Decode(c, got); err != nil || v.word != "hey" {
		t.Errorf("got %v, %v", v, err)
	}
	if _, err = cd.Append(nil, c, shout{}); !errors.Is(err, errQuiet) {
		t.Errorf("Append: got %v, want errQuiet in the chain", err)
	}
	if _, err = cd.Decode(c, []byte(`""`)); !errors.Is(err, errQuiet) {
		t.Errorf("Decode: got %v, want errQuiet in the chain", err)
	}
}

func TestJSONLeavesNothingOfOneValueInTheNext(t *testing.T) {
	c, cd := &codec.Context{}, codec.JSON[everything]()
	for range 100 {
		if _, err := cd.Decode(c, []byte(`{"text":"a","list":["x"],"map":{"a":"b"},"any":1}`)); err != nil {
			t.Fatal(err)
		}
		_, _ = cd.Decode(c, []byte(`{"text":"half","list":["y"],"map":7}`))
		v, err := cd.Decode(c, []byte(`{}`))
		if diff := cmp.Diff(everything{}, v, cmpopts.EquateComparable(netip.Addr{})); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
	}
}

func TestJSONMayBeUsedByManyGoroutines(t *testing.T) {
	cd := codec.JSON[map[string][]int]()
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			c, want := &codec.Context{}, map[string][]int{"worker": {worker, worker + 1}}
			for range 200 {
				wire, err := cd.Append(nil, c, want)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := cd.Decode(c, wire)
				if err != nil || !maps.EqualFunc(want, got, slices.Equal) {
					t.Errorf("got %v, %v; want %v", got, err, want)
					return
				}
			}
		})
	}
	group.Wait()
}
