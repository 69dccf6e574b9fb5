package avro_test

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec/avro"
)

// TestDataOfOtherSchemasIsReadByTheRulesOfTheSpecification goes through schema resolution, case by case.
func TestDataOfOtherSchemasIsReadByTheRulesOfTheSpecification(t *testing.T) {
	const ab, bcd = `{"type":"enum","name":"E","symbols":["A","B"]}`, `{"type":"enum","name":"E","symbols":["B","C"],"default":"C"}`
	for _, tc := range []struct {
		writer, reader string // types of the field v
		wire           string
		want           any
	}{
		{`"int"`, `"long"`, "0a", int64(5)},
		{`"int"`, `"float"`, "0a", float32(5)},
		{`"int"`, `"double"`, "0a", 5.0},
		{`"long"`, `"float"`, "0a", float32(5)},
		{`"long"`, `"double"`, "0a", 5.0},
		{`"float"`, `"double"`, "0000003f", 0.5},
		{`"string"`, `"bytes"`, "0261", []byte("a")},
		{`"bytes"`, `"string"`, "0261", "a"},
		{`"long"`, `{"type":"long","logicalType":"timestamp-millis"}`, "02", time.UnixMilli(1).UTC()},
		{`{"type":"long","logicalType":"timestamp-millis"}`, `"long"`, "02", int64(1)},
		{`"int"`, `{"type":"long","logicalType":"timestamp-millis"}`, "02", time.UnixMilli(1).UTC()},
		{ab, bcd, "02", "B"},
		{ab, bcd, "00", "C"},
		{`{"type":"array","items":"int"}`, `{"type":"array","items":"long"}`, "020a00", []any{int64(5)}},
		{`{"type":"map","values":"int"}`, `{"type":"map","values":"long"}`, "0202610a00", row{"a": int64(5)}},
		{`"int"`, `["null","long"]`, "0a", int64(5)},
		{`"int"`, `["null","long","int"]`, "0a", int32(5)},
		{`["null","int"]`, `"int"`, "020a", int32(5)},
		{`["null","int"]`, `["string","long","null"]`, "020a", int64(5)},
		{`["null","int"]`, `["string","long","null"]`, "00", nil},
		{`["int","string"]`, `["string","int"]`, "020261", "a"},
		{
			`{"type":"record","name":"old.P","fields":[{"name":"x","type":"int"},{"name":"gone","type":"string"}]}`,
			`{"type":"record","name":"new.P","fields":[{"name":"y","type":"long","aliases":["x"]},{"name":"z","type":"int","default":7}]}`,
			"0a0261",
			row{"y": int64(5), "z": int32(7)},
		},
		{
			`{"type":"record","name":"P","fields":[]}`,
			`{"type":"record","name":"Q","aliases":["P"],"fields":[
				{"name":"a","type":"boolean","default":true},{"name":"b","type":"bytes","default":"\u00ff"},
				{"name":"c","type":{"type":"array","items":"long"},"default":[1]},{"name":"d","type":{"type":"map","values":"float"},"default":{"k":0.5}},
				{"name":"e","type":["null","int"],"default":null},{"name":"f","type":["int","null"],"default":3},
				{"name":"g","type":{"type":"record","name":"S","fields":[{"name":"x","type":"string","default":"s"}]},"default":{}},
				{"name":"h","type":{"type":"fixed","name":"F","size":2},"default":"ab"},{"name":"i","type":{"type":"enum","name":"E","symbols":["A"]},"default":"A"},
				{"name":"j","type":{"type":"int","logicalType":"date"},"default":1},{"name":"k","type":"double","default":2}]}`,
			"",
			row{
				"a": true, "b": []byte{0xff}, "c": []any{int64(1)}, "d": row{"k": float32(0.5)}, "e": nil, "f": int32(3), "g": row{"x": "s"},
				"h": []byte("ab"), "i": "A", "j": time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC), "k": 2.0,
			},
		},
	} {
		cd, err := generic(t, field(tc.reader)).ReadWith(field(tc.writer))
		if err != nil {
			t.Errorf("%s as %s: %v", tc.writer, tc.reader, err)
			continue
		}
		for range 2 { // defaults are made anew
			v := decode(t, cd, tc.wire)
			same(t, tc.writer+" as "+tc.reader, row{"v": tc.want}, v)
			if inner, ok := v["v"].(row); ok {
				if c, ok := inner["c"].([]any); ok {
					c[0] = "changed"
				}
			}
		}
	}
}

func TestDataThatCannotBeReadIsRefusedAsSoonAsThatIsKnown(t *testing.T) {
	for want, tc := range map[string][2]string{
		"field v of R: string cannot be read as int":                                     {`"string"`, `"int"`},
		"field v of R: enum E cannot be read as enum F":                                  {`{"type":"enum","name":"E","symbols":["A"]}`, `{"type":"enum","name":"F","symbols":["A"]}`},
		"field v of R: fixed F cannot be read as fixed F":                                {`{"type":"fixed","name":"F","size":1}`, `{"type":"fixed","name":"F","size":2}`},
		"field v of R: int cannot be read as any branch of the union [null string]":      {`"int"`, `["null","string"]`},
		"field v of R: field x of P: the writer does not have it, and it has no default": {`{"type":"record","name":"P","fields":[]}`, `{"type":"record","name":"P","fields":[{"name":"x","type":"int"}]}`},
		"field v of R: a decimal of scale 1 cannot be read with scale 2": {
			`{"type":"bytes","logicalType":"decimal","precision":4,"scale":1}`, `{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`,
		},
	} {
		_, err := generic(t, field(tc[1])).ReadWith(field(tc[0]))
		wantError(t, err, "data of the writer's schema cannot be read with this one: "+want)
	}
	// A branch that cannot be read is an error only when it comes.
	cd, err := generic(t, field(`"int"`)).ReadWith(field(`["null","int"]`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = cd.Decode(value, []byte{0})
	wantError(t, err, `decode value of topic "t" as map[string]interface {}: field v: null cannot be read as int`)
	cd, err = generic(t, field(`{"type":"enum","name":"E","symbols":["A"]}`)).ReadWith(field(`{"type":"enum","name":"E","symbols":["A","B"]}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = cd.Decode(value, []byte{2})
	wantError(t, err, `decode value of topic "t" as map[string]interface {}: field v: enum E has no symbol B`)
}

func TestStructsAreReadFromOtherSchemas(t *testing.T) {
	type record struct {
		Name  string  `avro:"name"`
		Count int64   `avro:"count"`
		Note  *string `avro:"note"`
	}
	f := typed[record](t, `{"type":"record","name":"R","fields":[{"name":"name","type":"string","aliases":["title"]},
		{"name":"count","type":"long"},{"name":"note","type":["null","string"],"default":null}]}`)
	cd, err := f.ReadWith(`{"type":"record","name":"R","fields":[{"name":"gone","type":{"type":"array","items":"int"}},{"name":"count","type":"int"},{"name":"title","type":"string"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	wire := "0202000a" + hex.EncodeToString([]byte("\x02a"))
	same(t, "value", record{Name: "a", Count: 5}, decode(t, cd, wire))
	if _, err := f.ReadWith(`{"type":"record","name":"R","fields":[]}`); err == nil {
		t.Error("a writer without fields was accepted")
	}
	if _, err := f.ReadWith(`{`); err == nil {
		t.Error("a broken schema was accepted")
	}
	if _, err := avro.Typed[record](`{`); err == nil {
		t.Error("a broken schema was accepted")
	}
}
