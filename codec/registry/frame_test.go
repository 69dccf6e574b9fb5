package registry_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/registry"
)

func TestBytesThatAreNoFrameAreRefused(t *testing.T) {
	cd := registry.Of(newClient(t, start(t)), newLetters(stringSchema), registry.Options{})
	const of = `decode value of topic "orders" as string: `
	const want = of + `want a frame of a schema registry (magic byte 0x00, 4 bytes of schema id, payload), got `
	for data, reason := range map[string]string{
		"":                         "no bytes",
		"\x00":                     "1 bytes",
		"\x00\x00\x00\x07":         "4 bytes",
		"\x01\x00\x00\x07\x00\x00": "6 bytes",
		`{"a":1}`:                  "magic byte 0x7b: perhaps it was written without a registry",
	} {
		_, err := cd.Decode(value, []byte(data))
		if err == nil || err.Error() != want+reason {
			t.Errorf("%q: got\n\t%v\nwant\n\t%s", data, err, want+reason)
		}
	}
	c := &codec.Context{Topic: "orders", Part: codec.Value, Headers: []weir.Header{{Key: "__value_schema_id"}}}
	if _, err := cd.Decode(c, frame(1, "x")); err == nil || !strings.Contains(err.Error(), "header __value_schema_id: want") {
		t.Errorf("got %v", err)
	}
}

func TestFramesWithAGUIDAreRead(t *testing.T) {
	s := start(t)
	s.SeedSchema("orders-value", 1, 9, avroSchema(stringSchema))
	seeded, _ := s.GetSchema("orders-value", 1)
	id, err := hex.DecodeString("01" + strings.ReplaceAll(seeded.GUID, "-", ""))
	if err != nil || len(id) != 17 {
		t.Fatalf("GUID %q: %v", seeded.GUID, err)
	}
	cd := registry.Of(newClient(t, s), newLetters(stringSchema), registry.Options{})
	header := func(part codec.Part, name string, value []byte) *codec.Context {
		return &codec.Context{Topic: "orders", Part: part, Headers: []weir.Header{
			{Key: "trace", Value: []byte("1")}, {Key: "__key_schema_id", Value: []byte("older")}, {Key: name, Value: value},
		}}
	}
	for name, tc := range map[string]struct {
		c    *codec.Context
		data []byte
		want string
	}{
		"before the payload":              {value, append(id[:17:17], "x"...), "x"},
		"in the header of the value":      {header(codec.Value, "__value_schema_id", id), []byte("x"), "x"},
		"in the header of the key":        {header(codec.Key, "__key_schema_id", id), []byte("x"), "x"},
		"in the header with more":         {header(codec.Value, "__value_schema_id", append(id[:17:17], "ab"...)), []byte("x"), "abx"},
		"in no header, so in the payload": {header(codec.Value, "__other", id), frame(9, "x"), "x"},
	} {
		if v, err := cd.Decode(tc.c, tc.data); v != tc.want || err != nil {
			t.Errorf("%s: got %q, %v", name, v, err)
		}
	}
	if got := cd.(codec.HeaderReader).FormatHeaders(codec.Key); got[0] != "__key_schema_id" {
		t.Errorf("headers %q", got)
	}
}

func FuzzFrame(f *testing.F) {
	format := newLetters(stringSchema)
	format.wantsWriter = false
	cd := registry.Of(newClient(f, &server{url: "http://127.0.0.1:1"}), format, registry.Options{})
	f.Add([]byte(nil), frame(7, "x"))
	f.Add([]byte(nil), append([]byte{1}, make([]byte, 16)...))
	f.Add(append([]byte{1}, make([]byte, 17)...), []byte("x"))
	f.Add([]byte{2}, []byte{0, 0})
	f.Fuzz(func(t *testing.T, header, data []byte) {
		c := &codec.Context{Part: codec.Value}
		if header != nil {
			c.Headers = []weir.Header{{Key: "__value_schema_id", Value: header}}
		}
		v, err := cd.Decode(c, data)
		if err == nil && !strings.HasSuffix(string(header)+string(data), v) {
			t.Errorf("decoded %q from header %x and %x", v, header, data)
		}
	})
}
