package avro_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"runtime"
	"testing"

	"github.com/weirstreams/weir/codec"
)

type list struct {
	Next *list `avro:"next"`
}

const listSchema = `{"type":"record","name":"List","fields":[{"name":"next","type":["null","List"]}]}`

type deep struct {
	Items []deep `avro:"items"`
}

const deepSchema = `{"type":"record","name":"Deep","fields":[{"name":"items","type":{"type":"array","items":"Deep"}}]}`

type nulls struct {
	V []any `avro:"v"`
}

func TestLengthsThatTheDataCannotHoldAllocateNothing(t *testing.T) {
	count := func(n int64) []byte { return binary.AppendVarint(nil, n) }
	for _, tc := range []struct {
		schema string
		data   []byte
		want   string
	}{
		{field(`{"type":"array","items":"int"}`), count(1 << 30), "field v: a block of 1073741824 elements in 0 bytes"},
		{field(`{"type":"array","items":"int"}`), append(count(-1<<63), count(0)...), "field v: a block of 9223372036854775808 elements in 0 bytes"},
		{field(`{"type":"array","items":"double"}`), append(count(2), make([]byte, 15)...), "field v: a block of 2 elements in 15 bytes"},
		{field(`{"type":"array","items":"null"}`), count(1 << 30), "field v: a block of 1073741824 elements in 0 bytes"},
		{field(`{"type":"array","items":"null"}`), bytes.Repeat(count(1<<15), 9), "field v: a block of 32768 elements in 18 bytes"},
		{field(`{"type":"map","values":"null"}`), count(1 << 30), "field v: a block of 1073741824 elements in 0 bytes"},
		{field(`"string"`), count(1 << 40), "field v: data ends too early: want 1099511627776 bytes, there are 0"},
		{field(`"bytes"`), count(-1), "field v: a length of -1"},
		{field(`"long"`), bytes.Repeat([]byte{0xff}, 11), "field v: a number of more than 64 bits"},
		{field(`["null","int"]`), count(2), "field v: branch 2 of a union of 2"},
	} {
		before := allocated()
		_, err := generic(t, tc.schema).Decode(value, tc.data)
		wantError(t, err, `decode value of topic "t" as map[string]interface {}: `+tc.want)
		if grown := allocated() - before; grown > 1<<20 {
			t.Errorf("%s: %d bytes were allocated", tc.schema, grown)
		}
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestDataThatIsNestedTooDeepIsRefused(t *testing.T) {
	links := bytes.Repeat([]byte{2}, 1<<20)
	for _, cd := range []interface {
		Decode(*codec.Context, []byte) (row, error)
	}{generic(t, listSchema), generic(t, deepSchema)} {
		if _, err := cd.Decode(value, links); err == nil {
			t.Error("a million levels were accepted")
		}
	}
	if _, err := typed[list](t, listSchema).Decode(value, links); err == nil {
		t.Error("a million levels were accepted")
	}
	if _, err := typed[deep](t, deepSchema).Decode(value, links); err == nil {
		t.Error("a million levels were accepted")
	}
	v := decode(t, typed[list](t, listSchema), "020200")
	if v.Next == nil || v.Next.Next == nil || v.Next.Next.Next != nil {
		t.Error("two links were not read")
	}
}

// fuzz checks that what a codec decodes from any bytes can be encoded and decodes again.
func fuzz[T any](f *testing.F, cd codec.Codec[T], seeds ...string) {
	for _, seed := range append(seeds, "", "00", "ffffffffffffffffff01", "80808080808080808001") {
		data, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := allocated()
		v, err := cd.Decode(value, bytes.Clone(data))
		if grown := allocated() - before; grown > uint64(4<<20+1000*len(data)) {
			t.Errorf("%d bytes of data made it allocate %d", len(data), grown)
		}
		if err != nil {
			return
		}
		first, err := cd.Append(nil, value, v)
		if err != nil {
			t.Fatalf("decoded %x but cannot encode it: %v", data, err)
		}
		if _, err := cd.Decode(value, first); err != nil {
			t.Fatalf("decoded %x, encoded %x, which does not decode: %v", data, first, err)
		}
	})
}

func FuzzGeneric(f *testing.F) {
	fuzz(f, generic(f, everythingSchema), encode(f, typed[everything](f, everythingSchema), sample()))
}

func FuzzTyped(f *testing.F) {
	cd := typed[everything](f, everythingSchema)
	fuzz(f, cd, encode(f, cd, sample()))
}

func FuzzGenericRecursive(f *testing.F) { fuzz(f, generic(f, deepSchema), "0200", "02020000") }
func FuzzTypedRecursive(f *testing.F)   { fuzz(f, typed[deep](f, deepSchema), "0200", "02020000") }
func FuzzTypedNulls(f *testing.F) {
	fuzz(f, typed[nulls](f, field(`{"type":"array","items":"null"}`)), "0400")
}

func FuzzGenericEvolution(f *testing.F) {
	cd, err := generic(f, `{"type":"record","name":"Everything","fields":[
		{"name":"int","type":"double"},{"name":"text","type":"bytes"},{"name":"list","type":{"type":"array","items":["null","long"]}},
		{"name":"enum","type":{"type":"enum","name":"E","symbols":["A","C"],"default":"C"}},{"name":"union","type":["string","null","long"]},
		{"name":"new","type":"int","default":4}]}`).ReadWith(everythingSchema)
	if err != nil {
		f.Fatal(err)
	}
	seed, err := hex.DecodeString(encode(f, typed[everything](f, everythingSchema), sample()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := cd.Decode(value, data)
		if err == nil && v["new"] != int32(4) {
			t.Errorf("decoded %x as %v", data, v)
		}
	})
}
