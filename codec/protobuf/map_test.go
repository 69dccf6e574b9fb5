package protobuf_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/weirstreams/weir/codec/protobuf"
	"github.com/weirstreams/weir/codec/protobuf/internal/rootpb"
)

func TestMapsHaveTheJSONFormOfProtobuf(t *testing.T) {
	f := protobuf.Map(rootType, protobuf.MapOptions{})
	for wire, v := range map[string]row{
		"":                                   {},
		"1003":                               {"id": 3},
		"0a03666f6f1002":                     {"name": "foo", "id": 2},
		"0a03666f6f10021801":                 {"name": "foo", "id": 2, "enum": "B"},
		"0a03666f6f220a080a120608f08bbdc303": {"name": "foo", "nested": row{"id": 10, "time": "2000-01-02T12:34:56Z"}},
	} {
		same(t, "bytes", wire, encode(t, f, v))
	}
	same(t, "enum by number", "1801", encode(t, f, row{"enum": 1}))
	same(t, "value", row{"name": "foo", "id": json.Number("0"), "enum": "A"}, decode(t, f, "0a03666f6f"))
	same(t, "nested", row{
		"name": "foo", "id": json.Number("0"), "enum": "A", "nested": row{"id": json.Number("10"), "time": "2000-01-02T12:34:56Z"},
	}, decode(t, f, "0a03666f6f220a080a120608f08bbdc303"))
	if !f.IsNull(nil) || f.IsNull(row{}) {
		t.Error("a nil map, and only that, is null")
	}
}

func TestNamesAndEnumsOfMapsCanBeChosen(t *testing.T) {
	m := compile(t, "M", map[string]string{"main.proto": `syntax = "proto3"; enum E { A = 0; B = 1; }
		message M { int64 big_number = 1; bytes raw_bytes = 2; E e = 3; repeated string list = 4; map<string, int32> map = 5; optional int32 maybe = 6; }`})
	plain := protobuf.Map(m, protobuf.MapOptions{})
	same(t, "lowerCamelCase", row{"bigNumber": "9007199254740993", "rawBytes": "/w==", "e": "B", "list": []any{}, "map": row{}},
		decode(t, plain, "08818080808080801012"+"01ff"+"1801"))
	original := protobuf.Map(m, protobuf.MapOptions{OriginalNames: true, EnumNumbers: true})
	same(t, "original", row{"big_number": "0", "raw_bytes": "", "e": json.Number("1"), "list": []any{}, "map": row{}, "maybe": json.Number("0")},
		decode(t, original, "1801"+"3000"))
	for _, v := range []row{{"bigNumber": "5"}, {"big_number": 5}} {
		same(t, "both names", "0805", encode(t, plain, v))
	}
	_, err := plain.Append(nil, value, row{"none": 1})
	if err == nil || !strings.Contains(err.Error(), `unknown field "none"`) {
		t.Errorf("got %v", err)
	}
	same(t, "ignored", "", encode(t, protobuf.Map(m, protobuf.MapOptions{IgnoreUnknown: true}), row{"none": 1}))
}

func FuzzMap(f *testing.F) {
	fuzz(f, protobuf.Map((&rootpb.Root{}).ProtoReflect().Descriptor(), protobuf.MapOptions{IgnoreUnknown: true}))
}
