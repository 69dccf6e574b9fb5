package codec_test

import (
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/weirstreams/weir/codec"
)

func TestScalarsHaveTheBytesOfTheKafkaClients(t *testing.T) {
	encodesAs(t, codec.Bytes(), []byte("abc"), "616263")
	encodesAs(t, codec.Bytes(), []byte{}, "")
	encodesAs(t, codec.String(), "é", "c3a9")
	encodesAs(t, codec.String(), "", "")
	encodesAs(t, codec.String(), "\xff\x00", "ff00")
	encodesAs(t, codec.Int32(), 123, "0000007b")
	encodesAs(t, codec.Int32(), -1, "ffffffff")
	encodesAs(t, codec.Int32(), math.MinInt32, "80000000")
	encodesAs(t, codec.Int64(), 123, "000000000000007b")
	encodesAs(t, codec.Int64(), math.MaxInt64, "7fffffffffffffff")
	encodesAs(t, codec.Int64(), math.MinInt64, "8000000000000000")
	encodesAs(t, codec.Int(), -1, "ffffffffffffffff")
	encodesAs(t, codec.Float32(), 123, "42f60000")
	encodesAs(t, codec.Float32(), float32(math.Inf(-1)), "ff800000")
	encodesAs(t, codec.Float64(), 123, "405ec00000000000")
	encodesAs(t, codec.Float64(), 123.123, "405ec7df3b645a1d")
	encodesAs(t, codec.Bool(), true, "01")
	encodesAs(t, codec.Bool(), false, "00")
}

func TestFloatsKeepTheBitsOfNaN(t *testing.T) {
	const payload = 0x7ff8000000abcdef
	c := &codec.Context{}
	wire, err := codec.Float64().Append(nil, c, math.Float64frombits(payload))
	if err != nil {
		t.Fatal(err)
	}
	v, err := codec.Float64().Decode(c, wire)
	if err != nil || math.Float64bits(v) != payload {
		t.Errorf("got %x, %v; want %x", math.Float64bits(v), err, uint64(payload))
	}
}

func TestScalarsRefuseOtherLengthsAndSayWhatTheyWant(t *testing.T) {
	c := &codec.Context{Topic: "totals", Part: codec.State}
	for _, test := range []struct{ as, wire, want string }{
		{"int32", "", "want 4 bytes, got none"},
		{"int32", "00007b", "want 4 bytes, got 3 (0x00007b)"},
		{"int32", "000000007b", "want 4 bytes, got 5 (0x000000007b)"},
		{"int64", "0000007b", "want 8 bytes, got 4 (0x0000007b)"},
		{"int", "0000007b", "want 8 bytes, got 4 (0x0000007b)"},
		{"float32", "405ec00000000000", "want 4 bytes, got 8 (0x405ec00000000000)"},
		{
			"float64", "000102030405060708090a0b0c0d0e0f1011",
			"want 8 bytes, got 18 (0x000102030405060708090a0b0c0d0e0f...)",
		},
		{"bool", "0001", "want 1 byte, got 2 (0x0001)"},
		{"bool", "02", "want 0x00 or 0x01, got 0x02"},
	} {
		wire, err := hex.DecodeString(test.wire)
		if err != nil {
			t.Fatal(err)
		}
		switch test.as {
		case "int32":
			_, err = codec.Int32().Decode(c, wire)
		case "int64":
			_, err = codec.Int64().Decode(c, wire)
		case "int":
			_, err = codec.Int().Decode(c, wire)
		case "float32":
			_, err = codec.Float32().Decode(c, wire)
		case "float64":
			_, err = codec.Float64().Decode(c, wire)
		case "bool":
			_, err = codec.Bool().Decode(c, wire)
		}
		wantError(t, err, `decode state of store "totals" as `+test.as+": "+test.want)
	}
}

func TestErrorSaysWhatItIsAbout(t *testing.T) {
	_, err := codec.Int32().Decode(&codec.Context{Topic: "trades", Part: codec.Key}, []byte{1})
	e, ok := errors.AsType[*codec.Error](err)
	if !ok {
		t.Fatalf("got %T, want *codec.Error", err)
	}
	if e.Op != codec.Decode || e.Part != codec.Key || e.Topic != "trades" || e.Type != reflect.TypeFor[int32]() {
		t.Errorf("got %+v", e)
	}
}

func TestBytesKeepsNilApartFromEmpty(t *testing.T) {
	nulls(t, codec.Bytes(), nil, []byte{})
	for _, input := range [][]byte{nil, {}} {
		v, err := codec.Bytes().Decode(&codec.Context{}, input)
		if err != nil || v == nil || len(v) != 0 {
			t.Errorf("got %#v, %v; want an empty slice that is not nil", v, err)
		}
	}
}

func TestNullableTellsNullFromZero(t *testing.T) {
	zero, none := int64(0), []byte(nil)
	encodesAs(t, codec.Nullable(codec.Int64()), &zero, "0000000000000000")
	nulls(t, codec.Nullable(codec.Int64()), nil, &zero)
	t.Run("null of the inner codec", func(t *testing.T) {
		nulls(t, codec.Nullable(codec.Bytes()), &none, &[]byte{})
	})
	t.Run("errors", func(t *testing.T) {
		dst := []byte("kept")
		c := &codec.Context{Topic: "t", Part: codec.Value}
		got, err := codec.Nullable(codec.Int64()).Append(dst, c, nil)
		wantError(t, err, `encode value of topic "t" as *int64: a nil pointer has no encoding; write a null in its place`)
		if diff := cmp.Diff(dst, got); diff != "" {
			t.Errorf("dst changed:\n%s", diff)
		}
		if v, err := codec.Nullable(codec.Int64()).Decode(c, []byte{1}); err == nil || v != nil {
			t.Errorf("got %v, %v; want nil and an error", v, err)
		}
	})
}
