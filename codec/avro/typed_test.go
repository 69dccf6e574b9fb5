package avro_test

import (
	"math/big"
	"strings"
	"testing"
	"time"
)

type root struct {
	Name   string `avro:"name"`
	ID     int32  `avro:"id"`
	Nested nested `avro:"nested"`
}

type nested struct {
	ID int32 `avro:"id"`
}

func TestStructsAreWrittenAsTheOriginalWritesMaps(t *testing.T) {
	f := typed[root](t, rootSchema)
	for wire, v := range map[string]root{
		"06666f6ff60100": {Name: "foo", ID: 123},
		"06666f6f0000":   {Name: "foo"},
		"06666f6f00f601": {Name: "foo", Nested: nested{123}},
	} {
		same(t, "bytes", wire, encode(t, f, v))
		same(t, "value", v, decode(t, f, wire))
	}
	same(t, "with bytes after it", root{Name: "foo"}, decode(t, f, "06666f6f0000ffff"))
}

type everything struct {
	Flag    bool             `avro:"flag"`
	Text    string           `avro:"text"`
	Bytes   []byte           `avro:"bytes"`
	Int     int32            `avro:"int"`
	Long    int64            `avro:"long"`
	Float   float32          `avro:"float"`
	Double  float64          `avro:"double"`
	List    []int32          `avro:"list"`
	Map     map[string]int64 `avro:"map"`
	Fixed   [2]byte          `avro:"fixed"`
	Enum    string           `avro:"enum"`
	Maybe   *string          `avro:"maybe"`
	Union   any              `avro:"union"`
	At      time.Time        `avro:"at"`
	Day     time.Time        `avro:"day"`
	Took    time.Duration    `avro:"took"`
	Amount  *big.Rat         `avro:"amount"`
	Another *nested          `avro:"another"`
}

const everythingSchema = `{"type":"record","name":"Everything","namespace":"shop","fields":[
	{"name":"flag","type":"boolean"},{"name":"text","type":"string"},{"name":"bytes","type":"bytes"},{"name":"int","type":"int"},
	{"name":"long","type":"long"},{"name":"float","type":"float"},{"name":"double","type":"double"},
	{"name":"list","type":{"type":"array","items":"int"}},{"name":"map","type":{"type":"map","values":"long"}},
	{"name":"fixed","type":{"type":"fixed","name":"F","size":2}},{"name":"enum","type":{"type":"enum","name":"E","symbols":["A","B"]}},
	{"name":"maybe","type":["null","string"]},{"name":"union","type":["int","string"]},
	{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"day","type":{"type":"int","logicalType":"date"}},
	{"name":"took","type":{"type":"int","logicalType":"time-millis"}},
	{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}},
	{"name":"another","type":["null",{"type":"record","name":"Nested","fields":[{"name":"id","type":"int"}]}]}
]}`

func sample() everything {
	text := "maybe"
	return everything{
		Flag: true, Text: "é", Bytes: []byte{1, 2}, Int: -5, Long: 1 << 40, Float: 0.5, Double: 0.25, List: []int32{1, 2, 3},
		Map: map[string]int64{"k": 7}, Fixed: [2]byte{3, 4}, Enum: "B", Maybe: &text, Union: "u",
		At: time.UnixMilli(1_700_000_000_123).UTC(), Day: time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), Took: 1500 * time.Millisecond,
		Amount: big.NewRat(-1234, 100), Another: &nested{9},
	}
}

func TestBothPathsReadWhatTheOtherWrites(t *testing.T) {
	f, g := typed[everything](t, everythingSchema), generic(t, everythingSchema)
	wire := encode(t, f, sample())
	same(t, "struct from the struct's bytes", sample(), decode(t, f, wire))
	v := decode(t, g, wire)
	same(t, "map from the struct's bytes", row{
		"flag": true, "text": "é", "bytes": []byte{1, 2}, "int": int32(-5), "long": int64(1 << 40), "float": float32(0.5), "double": 0.25,
		"list": []any{int32(1), int32(2), int32(3)}, "map": row{"k": int64(7)}, "fixed": []byte{3, 4}, "enum": "B", "maybe": "maybe", "union": "u",
		"at": sample().At, "day": sample().Day, "took": sample().Took, "amount": sample().Amount, "another": row{"id": int32(9)},
	}, v)
	same(t, "bytes of the map", wire, encode(t, g, v))
}

func TestRecordsInInterfacesHaveTheRegisteredType(t *testing.T) {
	type holder struct {
		V any `avro:"v"`
	}
	f := typed[holder](t, field(`[{"type":"record","name":"shop.A","fields":[{"name":"id","type":"int"}]},"string"]`))
	if err := f.Register[nested]("shop.A"); err != nil {
		t.Fatal(err)
	}
	if f.Register[*nested]("shop.A") == nil {
		t.Error("a pointer was accepted")
	}
	same(t, "bytes", "0012", encode(t, f, holder{nested{9}}))
	same(t, "value", holder{nested{9}}, decode(t, f, "0012"))
}

func TestNilPointersAreNull(t *testing.T) {
	f := typed[*root](t, rootSchema)
	if !f.IsNull(nil) || f.IsNull(&root{}) {
		t.Error("a nil pointer, and only that, is null")
	}
	if typed[root](t, rootSchema).IsNull(root{}) {
		t.Error("a struct is never null")
	}
	same(t, "value", &root{Name: "foo"}, decode(t, f, encode(t, f, &root{Name: "foo"})))
}

func TestLargeValuesAreRead(t *testing.T) {
	f := typed[root](t, rootSchema)
	v := root{Name: strings.Repeat("x", 3<<20)}
	same(t, "value", true, decode(t, f, encode(t, f, v)) == v)
}

func TestErrorsOfStructsNameTheField(t *testing.T) {
	f := typed[root](t, rootSchema)
	_, err := f.Decode(value, []byte("\x06foo\x00"))
	wantError(t, err, `decode value of topic "t" as avro_test.root: field nested.id: data ends too early`)
	_, err = f.Decode(value, nil)
	wantError(t, err, `decode value of topic "t" as avro_test.root: field name: data ends too early`)
	type other struct {
		Name int `avro:"name"`
	}
	g := typed[other](t, rootSchema)
	for range 2 { // an error must not stick to what is used again
		if out, err := g.Append([]byte("."), value, other{}); err == nil || string(out) != "." ||
			!strings.HasPrefix(err.Error(), `encode value of topic "t" as avro_test.other: `) {
			t.Errorf("got %q, %v", out, err)
		}
	}
}
