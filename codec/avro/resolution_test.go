package avro_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec/avro"
)

type linked struct {
	V    int64   `avro:"v"`
	Next *linked `avro:"next"`
}

// linkedSchema is that of a list of numbers of a type, with a link of another type.
func linkedSchema(number, link string) string {
	return `{"type":"record","name":"L","fields":[{"name":"v","type":` + number + `},{"name":"next","type":` + link + `}]}`
}

func TestRecursiveTypesAreReadFromOtherSchemas(t *testing.T) {
	reader := linkedSchema(`"long"`, `["null","L"]`)
	want := linked{V: 1, Next: &linked{V: 2}}
	for writer, wire := range map[string]string{
		linkedSchema(`"int"`, `["null","L"]`):          "02020400",
		linkedSchema(`"long"`, `["L","null"]`):         "02000402",
		linkedSchema(`["null","int"]`, `["null","L"]`): "0202020204" + "00",
	} {
		f, err := typed[linked](t, reader).ReadWith(writer)
		if err != nil {
			t.Fatalf("%s: %v", writer, err)
		}
		same(t, writer, want, decode(t, f, wire))
	}
}

// A record that cannot be read is an error where it comes, and nowhere else, in a type that contains itself too.
func TestARecordThatCannotBeReadIsAnErrorWhereItComes(t *testing.T) {
	writer := `{"type":"record","name":"R","fields":[{"name":"v","type":["null",` + linkedSchema(`"string"`, `["null","L"]`) + `]},{"name":"w","type":["null","L"]}]}`
	reader := `{"type":"record","name":"R","fields":[{"name":"v","type":["null",` + linkedSchema(`"long"`, `["null","L"]`) + `]},{"name":"w","type":["null","L"]}]}`
	type record struct {
		V *linked `avro:"v"`
		W *linked `avro:"w"`
	}
	g, err := generic(t, reader).ReadWith(writer)
	if err != nil {
		t.Fatal(err)
	}
	f, err := typed[record](t, reader).ReadWith(writer)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "nulls", record{}, decode(t, f, "0000"))
	same(t, "nulls", row{"v": nil, "w": nil}, decode(t, g, "0000"))
	for _, data := range [][]byte{{2, 2, 'a', 0, 0}, {0, 2, 2, 'a', 0}} {
		if v, err := f.Decode(value, data); err == nil || !strings.Contains(err.Error(), "string cannot be read as long") {
			t.Errorf("%x as a struct: got %v, %v", data, v, err)
		}
		if v, err := g.Decode(value, data); err == nil || !strings.Contains(err.Error(), "string cannot be read as long") {
			t.Errorf("%x as a map: got %v, %v", data, v, err)
		}
	}
}

func TestAUnionIsReadThoughTheReaderLacksABranch(t *testing.T) {
	type record struct {
		V map[string]string `avro:"v"`
	}
	f, err := typed[record](t, field(`{"type":"map","values":"string"}`)).ReadWith(field(`["null",{"type":"map","values":"string"}]`))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a map", record{map[string]string{"a": "b"}}, decode(t, f, "0202026102"+"6200"))
	if v, err := f.Decode(value, []byte{0}); err == nil {
		t.Errorf("null is read as %v", v)
	}
}

func TestAValueBecomesAUnionWithNull(t *testing.T) {
	type record struct {
		V *string `avro:"v"`
	}
	f, err := typed[record](t, field(`["null","string"]`)).ReadWith(field(`"string"`))
	if err != nil {
		t.Fatal(err)
	}
	text := "a"
	same(t, "a string", record{&text}, decode(t, f, "0261"))
}

// A struct in the place of a pointer is read by its value, and not as a pointer.
func TestAStructInAUnion(t *testing.T) {
	type inner struct {
		A int32 `avro:"a"`
	}
	type record struct {
		At    time.Time `avro:"at"`
		Inner inner     `avro:"inner"`
		List  []inner   `avro:"list"`
	}
	const schema = `{"type":"record","name":"R","fields":[{"name":"at","type":["null",{"type":"long","logicalType":"timestamp-millis"}]},
		{"name":"inner","type":[{"type":"record","name":"I","fields":[{"name":"a","type":"int"}]},"null"]},{"name":"list","type":{"type":"array","items":["null","I"]}}]}`
	f := typed[record](t, schema)
	want := record{time.UnixMilli(2).UTC(), inner{3}, []inner{{4}, {}}}
	same(t, "a record", want, decode(t, f, "0204"+"0006"+"0402080000"))
	same(t, "nulls", record{List: []inner{}}, decode(t, f, "000200"))
	same(t, "bytes", "0204"+"0006"+"04020802"+"0000", encode(t, f, want))
	whole, err := avro.Typed[inner](`["null",{"type":"record","name":"I","fields":[{"name":"a","type":"int"}]}]`)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a union", inner{3}, decode(t, whole, "0206"))
	type held struct {
		V any `avro:"v"`
	}
	holder := typed[held](t, field(`["null",{"type":"record","name":"I","fields":[{"name":"at","type":["null",{"type":"long","logicalType":"timestamp-millis"}]}]},"int"]`))
	type moment struct {
		At time.Time `avro:"at"`
	}
	if err := holder.Register[moment]("I"); err != nil {
		t.Fatal(err)
	}
	same(t, "a registered type", held{moment{time.UnixMilli(2).UTC()}}, decode(t, holder, "020204"))
}

// The branch of the same type comes before branches that a value can be promoted to.
func TestAPromotedValueIsOfTheBestBranch(t *testing.T) {
	type record struct {
		V any `avro:"v"`
	}
	f, err := typed[record](t, field(`["double","long"]`)).ReadWith(field(`"long"`))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a long", record{int64(3)}, decode(t, f, "06"))
}

func TestABranchInARecordOfAUnion(t *testing.T) {
	f := generic(t, field(`["null",{"type":"record","name":"I","fields":[{"name":"u","type":["null","string","int"]},{"name":"d","type":"int","default":3}]}]`))
	same(t, "bytes", "020404"+"06", encode(t, f, row{"v": row{"u": avro.Branch{Name: "int", Value: 2}}}))
	if out, err := f.Append(nil, value, row{"v": row{"u": avro.Branch{Name: "long", Value: 2}}}); err == nil {
		t.Errorf("a branch that does not exist is written as %x", out)
	}
}

// An int of Go is Avro's int before it is a long, also in schemas that are written by way of maps.
func TestAnIntInAnInterfaceIsAnInt(t *testing.T) {
	type record struct {
		V any   `avro:"v"`
		D int32 `avro:"d"`
	}
	for _, logical := range []string{`"int"`, `{"type":"int","logicalType":"date"}`} {
		f := typed[record](t, `{"type":"record","name":"R","fields":[{"name":"v","type":["long","int"]},{"name":"d","type":`+logical+`}]}`)
		same(t, logical, "020602", encode(t, f, record{V: 3, D: 1}))
	}
}
