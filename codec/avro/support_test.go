package avro_test

import (
	"encoding/hex"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/avro"
)

var value = &codec.Context{Topic: "t", Part: codec.Value}

type row = map[string]any

func generic(t testing.TB, schema string) *avro.GenericFormat {
	t.Helper()
	f, err := avro.Generic(schema)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func typed[T any](t testing.TB, schema string) *avro.TypedFormat[T] {
	t.Helper()
	f, err := avro.Typed[T](schema)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// field returns the schema of a record R with one field of a type.
func field(kind string) string {
	return `{"type":"record","name":"R","fields":[{"name":"v","type":` + kind + `}]}`
}

func encode[T any](t testing.TB, cd codec.Codec[T], v T) string {
	t.Helper()
	out, err := cd.Append([]byte("."), value, v)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(out[1:])
}

// decode decodes hexadecimal, and overwrites the input before it returns.
func decode[T any](t testing.TB, cd codec.Codec[T], wire string) T {
	t.Helper()
	data, err := hex.DecodeString(wire)
	if err != nil {
		t.Fatal(err)
	}
	v, err := cd.Decode(value, data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		data[i] = '#'
	}
	return v
}

func same(t testing.TB, what string, want, got any) {
	t.Helper()
	rats := cmp.Comparer(func(a, b *big.Rat) bool { return a == b || a != nil && b != nil && a.Cmp(b) == 0 })
	if diff := cmp.Diff(want, got, rats); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wantError(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got error\n\t%v\nwant\n\t%s", err, want)
	}
}
