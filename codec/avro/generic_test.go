package avro_test

import (
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec/avro"
)

const rootSchema = `{"type":"record","name":"Root","fields":[
	{"name":"name","type":"string"},
	{"name":"id","type":"int","default":0},
	{"name":"nested","type":{"type":"record","name":"Nested","fields":[{"name":"id","type":"int","default":0}]},"default":{"id":0}}
]}`

func TestMapsAreWrittenAsTheOriginalWritesThem(t *testing.T) {
	f := generic(t, rootSchema)
	for _, tc := range []struct {
		v, read row
		wire    string
	}{
		{row{"name": "foo", "id": 123}, row{"name": "foo", "id": int32(123), "nested": row{"id": int32(0)}}, "06666f6ff60100"},
		{row{"name": "foo"}, row{"name": "foo", "id": int32(0), "nested": row{"id": int32(0)}}, "06666f6f0000"},
		{
			row{"name": "foo", "nested": row{"id": 123}, "unknown": true},
			row{"name": "foo", "id": int32(0), "nested": row{"id": int32(123)}},
			"06666f6f00f601",
		},
	} {
		same(t, "bytes", tc.wire, encode(t, f, tc.v))
		same(t, "value", tc.read, decode(t, f, tc.wire))
	}
	same(t, "with bytes after it", "foo", decode(t, f, "06666f6f0000ffff")["name"])
}

func TestLogicalTypesAreTimesAndDecimals(t *testing.T) {
	moment := time.Date(2024, 2, 29, 12, 34, 56, 789_000_000, time.UTC)
	before := time.Date(1969, 12, 31, 23, 59, 59, 999_000_000, time.UTC)
	for _, tc := range []struct {
		schema string
		v      any
		wire   string
	}{
		{`{"type":"long","logicalType":"timestamp-millis"}`, moment, "aad2e2cdbe63"},
		{`{"type":"long","logicalType":"timestamp-millis"}`, before, "01"},
		{`{"type":"long","logicalType":"timestamp-micros"}`, before, "cf0f"},
		{`{"type":"int","logicalType":"date"}`, time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), "01"},
		{`{"type":"int","logicalType":"time-millis"}`, 1500 * time.Millisecond, "b817"},
		{`{"type":"long","logicalType":"time-micros"}`, 1500 * time.Microsecond, "b817"},
		{`{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}`, big.NewRat(1234, 100), "0404d2"},
		{`{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}`, big.NewRat(-1, 100), "02ff"},
		{`{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}`, big.NewRat(128, 100), "040080"},
		{`{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}`, big.NewRat(-128, 100), "0280"},
		{`{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}`, new(big.Rat), "0200"},
		{`{"type":"fixed","name":"F","size":3,"logicalType":"decimal","precision":6,"scale":2}`, big.NewRat(-129, 100), "ffff7f"},
		{`{"type":"string","logicalType":"uuid"}`, "u", "0275"},
		{`["null",{"type":"long","logicalType":"timestamp-millis"}]`, before, "0201"},
		{`{"type":"array","items":{"type":"int","logicalType":"date"}}`, []any{time.Unix(0, 0).UTC()}, "020000"},
		{`{"type":"map","values":{"type":"int","logicalType":"date"}}`, row{"a": time.Unix(0, 0).UTC()}, "0202610000"},
	} {
		f := generic(t, field(tc.schema))
		in := row{"v": tc.v}
		same(t, tc.schema, tc.wire, encode(t, f, in))
		same(t, tc.schema+", what was given", row{"v": tc.v}, in)
		same(t, tc.schema, in, decode(t, f, tc.wire))
	}
	f := generic(t, field(`{"type":"bytes","logicalType":"decimal","precision":6,"scale":1}`))
	_, err := f.Append(nil, value, row{"v": big.NewRat(1234, 100)})
	wantError(t, err, `encode value of topic "t" as map[string]interface {}: field v: 12.34 has more than 1 decimal places`)
	f = generic(t, field(`{"type":"fixed","name":"F","size":1,"logicalType":"decimal","precision":2,"scale":1}`))
	_, err = f.Append(nil, value, row{"v": big.NewRat(128, 10)})
	wantError(t, err, `encode value of topic "t" as map[string]interface {}: field v: 12.8 has more than 2 digits, the precision of the type`)
}

func TestUnionsAreTheirValues(t *testing.T) {
	const several = `["null","string","long","double","boolean","bytes",{"type":"enum","name":"E","symbols":["A","B"]},
		{"type":"record","name":"P","fields":[{"name":"x","type":"int"}]},{"type":"record","name":"Q","fields":[{"name":"y","type":"int"}]},
		{"type":"array","items":"int"},{"type":"map","values":"int"},{"type":"fixed","name":"F","size":2}]`
	f := generic(t, field(several))
	for _, tc := range []struct {
		v, read any
		wire    string
	}{
		{nil, nil, "00"},
		{"a", "a", "020261"},
		{5, int64(5), "040a"},
		{int32(5), int64(5), "040a"},
		{json.Number("5"), int64(5), "040a"},
		{json.Number("0.5"), 0.5, "06000000000000e03f"},
		{0.5, 0.5, "06000000000000e03f"},
		{true, true, "0801"},
		{[]byte{1}, []byte{1}, "0a0201"},
		{[]byte{1, 2}, []byte{1, 2}, "160102"},
		{"B", "B", "0c02"},
		{avro.Branch{Name: "string", Value: "B"}, "B", "020242"},
		{row{"x": 1}, row{"x": int32(1)}, "0e02"},
		{row{"y": 1}, row{"y": int32(1)}, "1002"},
		{row{"z": 1}, row{"z": int32(1)}, "1402027a0200"},
		{[]any{1, 2}, []any{int32(1), int32(2)}, "120402" + "0400"},
	} {
		same(t, tc.wire, tc.wire, encode(t, f, row{"v": tc.v}))
		same(t, tc.wire, row{"v": tc.read}, decode(t, f, tc.wire))
	}
	_, err := f.Append(nil, value, row{"v": struct{}{}})
	wantError(t, err, `encode value of topic "t" as map[string]interface {}: field v: struct {} fits none of the branches `+
		`[null string long double boolean bytes E P Q array map F]`)
	_, err = f.Append(nil, value, row{"v": avro.Branch{Name: "int"}})
	wantError(t, err, `encode value of topic "t" as map[string]interface {}: field v: the union has no branch "int", only `+
		`[null string long double boolean bytes E P Q array map F]`)
}

func TestTaggedUnionsNameTheirBranch(t *testing.T) {
	f := generic(t, field(`["null",{"type":"long","logicalType":"timestamp-millis"}]`)).TaggedUnions()
	v := row{"v": row{"long": time.UnixMilli(-1).UTC()}}
	same(t, "bytes", "0201", encode(t, f, v))
	same(t, "value", v, decode(t, f, "0201"))
	same(t, "null", row{"v": nil}, decode(t, f, "00"))
	same(t, "null", "00", encode(t, f, row{"v": nil}))
}

func TestTypesMayContainThemselves(t *testing.T) {
	f := generic(t, `{"type":"record","name":"a.List","fields":[{"name":"v","type":{"type":"int","logicalType":"date"}},{"name":"next","type":["null","List"],"default":null}]}`)
	day := time.Unix(0, 0).UTC()
	v := row{"v": day, "next": row{"v": day.AddDate(0, 0, 1), "next": nil}}
	same(t, "bytes", "0002"+"0200", encode(t, f, v))
	same(t, "value", v, decode(t, f, "00020200"))
}

func TestJSONNumbersAreWritten(t *testing.T) {
	f := generic(t, `{"type":"record","name":"R","fields":[{"name":"l","type":"long"},{"name":"d","type":"double"}]}`)
	in := row{"l": json.Number("9007199254740993"), "d": json.Number("0.5")}
	same(t, "value", row{"l": int64(9007199254740993), "d": 0.5}, decode(t, f, encode(t, f, in)))
	same(t, "what was given", json.Number("0.5"), in["d"])
}

func TestErrorsNameTheField(t *testing.T) {
	f := generic(t, rootSchema)
	_, err := f.Decode(value, []byte("\x06fo"))
	wantError(t, err, `decode value of topic "t" as map[string]interface {}: field name: data ends too early: want 3 bytes, there are 2`)
	_, err = f.Decode(value, []byte("\x06foo\x00"))
	wantError(t, err, `decode value of topic "t" as map[string]interface {}: field nested.id: data ends too early`)
	_, err = f.Append(nil, value, row{"id": 1})
	wantError(t, err, `encode value of topic "t" as map[string]interface {}: cannot encode binary record "Root" field "name": `+
		`schema does not specify default value and no value provided`)
	if !f.IsNull(nil) || f.IsNull(row{}) {
		t.Error("a nil map, and only that, is null")
	}
	for _, broken := range []string{`{`, `"string"`, `{"type":"record"}`} {
		if _, err := avro.Generic(broken); err == nil {
			t.Errorf("%s was accepted", broken)
		}
	}
}

// A decimal has one byte at least, as in Java.
func TestADecimalOfNoBytesIsRefused(t *testing.T) {
	const schema = `{"type":"record","name":"R","fields":[{"name":"v","type":{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}}]}`
	type price struct {
		V *big.Rat `avro:"v"`
	}
	if v, err := generic(t, schema).Decode(value, []byte{0}); err == nil {
		t.Errorf("generic: %v", v)
	}
	if v, err := typed[price](t, schema).Decode(value, []byte{0}); err == nil {
		t.Errorf("typed: %v", v)
	}
}
