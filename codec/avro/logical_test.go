package avro_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func fieldSchema(kind string) string {
	return `{"type":"record","name":"R","fields":[{"name":"v","type":` + kind + `}]}`
}

// logicalCase checks that a value is written as these bytes by both forms, and read again.
func logicalCase[V any](t *testing.T, kind, wire string, v, back V) {
	t.Helper()
	type record struct {
		V V `avro:"v"`
	}
	f, g := typed[record](t, fieldSchema(kind)), generic(t, fieldSchema(kind))
	same(t, kind+" of a struct", wire, encode(t, f, record{v}))
	same(t, kind+" of a map", wire, encode(t, g, map[string]any{"v": plainPointer(v)}))
	same(t, kind+" read as a struct", show(back), show(decode(t, f, wire).V))
	same(t, kind+" read as a map", show(back), show(decode(t, g, wire)["v"]))
}

// plainPointer returns what a map has in place of a pointer.
func plainPointer(v any) any {
	switch v := v.(type) {
	case *time.Time:
		return *v
	case *time.Duration:
		return *v
	}
	return v
}

// show makes values comparable: pointers are what they point to.
func show(v any) string {
	switch v := plainPointer(v).(type) {
	case *big.Rat:
		return v.RatString()
	case time.Time:
		return v.Format(time.RFC3339Nano)
	default:
		return fmt.Sprint(v)
	}
}

func TestLogicalTypesHaveTheSameBytesInBothForms(t *testing.T) {
	day := func(text string) time.Time {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	date := `{"type":"int","logicalType":"date"}`
	logicalCase(t, date, "01", day("1969-12-31T01:00:00Z"), day("1969-12-31T00:00:00Z"))
	logicalCase(t, date, "00", day("1970-01-01T23:59:59Z"), day("1970-01-01T00:00:00Z"))
	logicalCase(t, date, "03", day("1969-12-30T00:00:00Z"), day("1969-12-30T00:00:00Z"))
	before := day("1969-12-31T01:00:00Z")
	midnight := day("1969-12-31T00:00:00Z")
	logicalCase(t, `["null",`+date+`]`, "0201", &before, &midnight)

	early := day("1969-12-31T23:59:59.9995Z")
	logicalCase(t, `{"type":"long","logicalType":"timestamp-millis"}`, "01", early, day("1969-12-31T23:59:59.999Z"))
	logicalCase(t, `{"type":"long","logicalType":"timestamp-micros"}`, "e707", early, early)
	logicalCase(t, `{"type":"int","logicalType":"time-millis"}`, "02", 1500*time.Microsecond, time.Millisecond)
	logicalCase(t, `{"type":"long","logicalType":"time-micros"}`, "b817", 1500*time.Microsecond, 1500*time.Microsecond)
	zone := time.FixedZone("east", 3600)
	local := time.Date(1970, 1, 1, 0, 0, 0, 2_000_000, zone) // what the clock shows counts
	logicalCase(t, `{"type":"long","logicalType":"local-timestamp-millis"}`, "04", local, time.UnixMilli(2).UTC())
	logicalCase(t, `{"type":"long","logicalType":"local-timestamp-micros"}`, "a01f", local, time.UnixMilli(2).UTC())
	logicalCase(t, `{"type":"string","logicalType":"uuid"}`, "02"+"61", "a", "a")

	decimal := `{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}`
	for wire, v := range map[string]*big.Rat{
		"0280": big.NewRat(-128, 100), "04cfc7": big.NewRat(-12345, 100), "0200": new(big.Rat), "02ff": big.NewRat(-1, 100), "027f": big.NewRat(127, 100),
		"040080": big.NewRat(128, 100), "04ff7f": big.NewRat(-129, 100), "060f423f": big.NewRat(999999, 100),
	} {
		logicalCase(t, decimal, wire, v, v)
		logicalCase(t, `["null",`+decimal+`]`, "02"+wire, v, v)
		logicalCase(t, `[`+decimal+`,"null"]`, "00"+wire, v, v)
	}
	fixed := `{"type":"fixed","name":"F","size":3,"logicalType":"decimal","precision":6,"scale":2}`
	logicalCase(t, fixed, "ffff80", big.NewRat(-128, 100), big.NewRat(-128, 100))
	logicalCase(t, `["null",`+fixed+`]`, "02ffff80", big.NewRat(-128, 100), big.NewRat(-128, 100))
}

func TestDecimalsThatDoNotFitAreRefusedByBothForms(t *testing.T) {
	type record struct {
		V *big.Rat `avro:"v"`
	}
	for _, kind := range []string{
		`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`,
		`["null",{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}]`,
		`{"type":"fixed","name":"F","size":8,"logicalType":"decimal","precision":4,"scale":2}`,
	} {
		f, g := typed[record](t, fieldSchema(kind)), generic(t, fieldSchema(kind))
		for v, problem := range map[*big.Rat]string{
			big.NewRat(12345, 1000):      "has more than 2 decimal places",
			big.NewRat(1, 3):             "has more than 2 decimal places",
			big.NewRat(10000, 100):       "has more than 4 digits",
			big.NewRat(-1234567890, 100): "has more than 4 digits",
		} {
			if out, err := f.Append(nil, value, record{v}); err == nil || !strings.Contains(err.Error(), problem) {
				t.Errorf("%s: %v of a struct: got %x, %v", kind, v, out, err)
			}
			if out, err := g.Append(nil, value, map[string]any{"v": v}); err == nil || !strings.Contains(err.Error(), problem) {
				t.Errorf("%s: %v of a map: got %x, %v", kind, v, out, err)
			}
		}
	}
	f := typed[record](t, fieldSchema(`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`))
	if out, err := f.Append(nil, value, record{}); err == nil {
		t.Errorf("a nil decimal is written as %x", out)
	}
}

// Defaults are what the schema says, whoever fills them in: the writer for a field that is not given, the reader for one that the
// writer did not have.
func TestDefaultValuesOfAllTypes(t *testing.T) {
	for _, c := range []struct{ kind, value, wire, want string }{
		{`"long"`, `9223372036854775807`, "feffffffffffffffff01", "9223372036854775807"},
		{`"long"`, `-9223372036854775808`, "ffffffffffffffffff01", "-9223372036854775808"},
		{`"long"`, `9007199254740993`, "8280808080808020", "9007199254740993"},
		{`"int"`, `-2147483648`, "ffffffff0f", "-2147483648"},
		{`"bytes"`, `"\u00ff\u0080a"`, "06ff8061", "[255 128 97]"},
		{`{"type":"fixed","name":"F","size":2}`, `"\u00ff\u0000"`, "ff00", "[255 0]"},
		{`"string"`, `"\u00ff"`, "04c3bf", "\u00ff"},
		{`"boolean"`, `true`, "01", "true"},
		{`"float"`, `1`, "0000803f", "1"},
		{`"double"`, `0.5`, "000000000000e03f", "0.5"},
		{`{"type":"enum","name":"E","symbols":["A","B"]}`, `"B"`, "02", "B"},
		{`{"type":"array","items":"long"}`, `[9223372036854775807]`, "02feffffffffffffffff0100", "[9223372036854775807]"},
		{`{"type":"map","values":"bytes"}`, `{"k":"\u00ff"}`, "02026b02ff00", "map[k:[255]]"},
		{`["null","long"]`, `null`, "00", "<nil>"},
		{`["long","null"]`, `9223372036854775807`, "00feffffffffffffffff01", "9223372036854775807"},
		{
			`{"type":"record","name":"N","fields":[{"name":"a","type":"long"},{"name":"b","type":"bytes","default":"\u00fe"}]}`,
			`{"a":9007199254740993}`, "828080808080802002fe", "map[a:9007199254740993 b:[254]]",
		},
		{`{"type":"int","logicalType":"date"}`, `-1`, "01", "1969-12-31T00:00:00Z"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, `"\u0080"`, "0280", "-32/25"},
		{`{"type":"long","logicalType":"timestamp-micros"}`, `-1`, "01", "1969-12-31T23:59:59.999999Z"},
		{`[{"type":"long","logicalType":"timestamp-millis"},"null"]`, `-1`, "0001", "1969-12-31T23:59:59.999Z"},
		{`{"type":"array","items":["null","int"]}`, `[null]`, "020000", "[<nil>]"},
		{`{"type":"int","logicalType":"time-millis"}`, `1500`, "b817", "1.5s"},
		{`["null",{"type":"long","logicalType":"time-micros"}]`, `null`, "00", "<nil>"},
		{`{"type":"array","items":{"type":"long","logicalType":"time-micros"}}`, `[1500]`, "02b81700", "[1.5ms]"},
	} {
		const empty = `{"type":"record","name":"R","fields":[]}`
		schema := `{"type":"record","name":"R","fields":[{"name":"v","type":` + c.kind + `,"default":` + c.value + `}]}`
		g := generic(t, schema)
		same(t, "written: "+schema, c.wire, encode(t, g, map[string]any{}))
		reading, err := g.ReadWith(empty)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "read: "+schema, c.want, show(decode(t, reading, "")["v"]))

		type withoutField struct{}
		f := typed[withoutField](t, schema)
		same(t, "written of a struct: "+schema, c.wire, encode(t, f, withoutField{}))
		type withField struct {
			V any `avro:"v"`
		}
		read, err := typed[withField](t, schema).ReadWith(empty)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "read as a struct: "+schema, c.want, show(decode(t, read, "").V))
	}
}

// TestBothFormsAgreeOnRandomValues writes random values with both forms, and reads them with both.
func TestBothFormsAgreeOnRandomValues(t *testing.T) {
	type inner struct {
		Day    time.Time `avro:"day"`
		Amount *big.Rat  `avro:"amount"`
	}
	type record struct {
		At      time.Time        `avro:"at"`
		Micros  time.Time        `avro:"micros"`
		Day     *time.Time       `avro:"day"`
		Amount  *big.Rat         `avro:"amount"`
		Exact   *big.Rat         `avro:"exact"`
		Took    time.Duration    `avro:"took"`
		Inner   inner            `avro:"inner"`
		List    []*big.Rat       `avro:"list"`
		Days    map[string]inner `avro:"days"`
		Number  *int64           `avro:"number"`
		Raw     []byte           `avro:"raw"`
		Symbols []string         `avro:"symbols"`
		Fixed   [2]byte          `avro:"fixed"`
	}
	const schema = `{"type":"record","name":"R","fields":[
		{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"micros","type":{"type":"long","logicalType":"timestamp-micros"}},
		{"name":"day","type":["null",{"type":"int","logicalType":"date"}]},
		{"name":"amount","type":["null",{"type":"bytes","logicalType":"decimal","precision":12,"scale":3}]},
		{"name":"exact","type":{"type":"fixed","name":"F5","size":6,"logicalType":"decimal","precision":12,"scale":3}},
		{"name":"took","type":{"type":"long","logicalType":"time-micros"}},
		{"name":"inner","type":{"type":"record","name":"Inner","fields":[{"name":"day","type":{"type":"int","logicalType":"date"}},
			{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":3}}]}},
		{"name":"list","type":{"type":"array","items":["null",{"type":"bytes","logicalType":"decimal","precision":12,"scale":3}]}},
		{"name":"days","type":{"type":"map","values":"Inner"}},{"name":"number","type":["null","long"]},{"name":"raw","type":"bytes"},
		{"name":"symbols","type":{"type":"array","items":{"type":"enum","name":"E","symbols":["A","B"]}}},
		{"name":"fixed","type":{"type":"fixed","name":"F2","size":2}}]}`
	f, g := typed[record](t, schema), generic(t, schema)
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		decimal := func() *big.Rat { return big.NewRat(r.Int64N(2e12-1)-1e12+1, 1000) }
		moment := func() time.Time { return time.UnixMicro(r.Int64N(8e15) - 4e15).UTC() }
		makeInner := func() inner { return inner{moment(), decimal()} }
		v := record{
			At: moment(), Micros: moment(), Exact: decimal(), Took: time.Duration(r.Int64N(86_400_000_000)) * time.Microsecond, Inner: makeInner(),
			Raw: []byte{byte(r.Uint32()), byte(r.Uint32())}, Fixed: [2]byte{byte(r.Uint32()), byte(r.Uint32())},
			Symbols: []string{"A", "B"}[:r.IntN(3)],
		}
		if r.IntN(2) == 0 {
			v.Amount = decimal()
			day, n := moment(), r.Int64()
			v.Day, v.Number = &day, &n
		}
		for range r.IntN(3) {
			v.List = append(v.List, decimal(), nil)
		}
		if r.IntN(2) == 0 {
			v.Days = map[string]inner{"k": makeInner()} // one, as the order of maps is open
		}
		wire := encode(t, f, v)
		asMap := decode(t, g, wire)
		same(t, fmt.Sprint("the map's bytes, seed ", seed), wire, encode(t, g, asMap))
		same(t, fmt.Sprint("the struct's bytes again, seed ", seed), wire, encode(t, f, decode(t, f, wire)))
	}
}
